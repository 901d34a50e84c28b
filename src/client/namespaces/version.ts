/**
 * The version of a namespace: a text that is a part of the keys of its items.
 *
 * @module
 */

/** Digits of chance at the end of a version: 41 bits. */
const RANDOM_DIGITS = 8;

/** The most characters that a version has, for a long time to come. */
export const VERSION_LENGTH = 17;

/** Milliseconds since 1970 in base 36, eight digits until 2059, and chance. */
const VERSION = /^[0-9a-z]{16,17}$/;

/** Whether a text is a version. Anybody may have stored anything. */
export function isVersion(text: string | undefined): text is string {
  return text !== undefined && VERSION.test(text);
}

/** Whether a version was made after another, as versions go. */
export function isNewer(version: string, than: string): boolean {
  return version.length === than.length
    ? version > than
    : version.length > than.length;
}

/**
 * Makes a version that never was used before, and is newer than others.
 *
 * Clocks differ and go back, hence the others: one that has been seen is never
 * followed by an older one. Chance tells two apart that were made at once.
 *
 * @param others What is known to have been used; what is no version counts for
 * nothing.
 */
export function nextVersion(...others: Array<string | undefined>): string {
  let time = Date.now();
  for (const other of others) {
    if (!isVersion(other)) continue;
    time = Math.max(time, parseInt(other.slice(0, -RANDOM_DIGITS), 36) + 1);
  }
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  const chance = high * 512 + (low & 511);
  return time.toString(36).padStart(8, "0") +
    chance.toString(36).padStart(RANDOM_DIGITS, "0");
}
