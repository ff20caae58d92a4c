/** The version of the package; also in package.json, which a test compares. */
export const starlingVersion = '0.1.0';
