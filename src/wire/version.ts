/**
 * Versions of memcached, as it tells them.
 *
 * @module
 */

/** A version, as three numbers. */
export type Version = readonly [major: number, minor: number, patch: number];

/** Whether a version is this one or a later one. */
export function isSince(version: string, since: Version): boolean {
  const parts = /^\D{0,16}(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?/.exec(version);
  if (parts === null) return false;
  const [, major, minor, patch = "0"] = parts;
  const numbers = [Number(major), Number(minor), Number(patch)];
  for (let i = 0; i < 3; i++) {
    if (numbers[i] !== since[i]) return numbers[i] > since[i];
  }
  return true;
}

/** Whether a text tells a version at all. */
export function isVersion(text: string): boolean {
  return isSince(text, [0, 0, 0]);
}
