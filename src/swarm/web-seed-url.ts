/** The folder of an image at a web seed, with a slash at its end: names are appended (BEP 19). */
export function webSeedFolder(template: string, imageId: string): string {
  const url = template.replaceAll('{id}', imageId);
  return url.endsWith('/') ? url : `${url}/`;
}
