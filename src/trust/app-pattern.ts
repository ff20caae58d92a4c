/** The letters and the length are those of an app's name (channel-path.ts). */
const form = /^(?:\*|[a-z0-9][a-z0-9._-]{0,99}\*?)$/;

/** The pattern of all apps, and of images of which it is not known which app they are. */
export const everyApp = '*';

/** Whether a text is a pattern of apps: a name; the start of names and a star, like `team-*`; or a star. */
export const isAppPattern = (text: string): boolean => form.test(text);

/** Whether an app has a name that the pattern describes. */
export function matchesApp(pattern: string, app: string): boolean {
  return pattern.endsWith('*') ? app.startsWith(pattern.slice(0, -1)) : app === pattern;
}
