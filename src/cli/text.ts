/**
 * Between bytes, values and what is shown of them.
 *
 * @module
 */

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text that bytes are in UTF-8, if they are any. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes as base64. */
export function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let i = 0; i < bytes.length; i += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  }
  return btoa(binary);
}

/** Bytes one after another. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Text that does nothing to a terminal but show: control characters are
 * written out, but for line ends and tabs where they are allowed.
 */
export function harmless(text: string, lines = false): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (char) =>
      lines && (char === "\n" || char === "\t")
        ? char
        : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** Bytes for people to look at: text, else with `\x…` for what is none. */
export function shown(bytes: Uint8Array): string {
  const text = textOf(bytes);
  if (text !== undefined) return harmless(text, true);
  let result = "";
  for (const byte of bytes) {
    result += byte >= 0x20 && byte < 0x7f
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return result;
}

/** A key for people and programs: on one line, and harmless. */
export function shownKey(key: string | Uint8Array): string {
  return typeof key === "string" ? harmless(key) : shown(key);
}

/** A value in JSON output: text, or base64 where it is none. */
export function valueFields(
  bytes: Uint8Array,
): { value: string } | { base64: string } {
  const text = textOf(bytes);
  return text === undefined ? { base64: base64(bytes) } : { value: text };
}

/** A key in JSON output: text, or base64 where it is none. */
export function keyFields(
  key: string | Uint8Array,
): { key: string } | { keyBase64: string } {
  return typeof key === "string" ? { key } : { keyBase64: base64(key) };
}

/** Anything as JSON: maps as objects, large integers as text. */
export function json(value: unknown, indent?: number): string {
  const plain = (_: string, value: unknown): unknown => {
    if (typeof value === "bigint") {
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : String(value);
    }
    if (value instanceof Map) {
      return Object.fromEntries(
        [...value].map(([key, value]) => [String(key), value]),
      );
    }
    return value;
  };
  return JSON.stringify(value, plain, indent);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A number of bytes, short. */
export function bytesText(bytes: number): string {
  let unit = 0;
  while (bytes >= 1024 && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${bytes.toFixed(unit === 0 || bytes >= 100 ? 0 : 1)} ${UNITS[unit]}`;
}

/** A count, short: 1234567 is 1.23M. */
export function countText(count: number): string {
  if (count < 10_000) return `${Math.round(count)}`;
  if (count < 1e6) return `${(count / 1e3).toFixed(count < 1e5 ? 1 : 0)}k`;
  if (count < 1e9) return `${(count / 1e6).toFixed(count < 1e8 ? 2 : 0)}M`;
  return `${(count / 1e9).toFixed(2)}G`;
}

/** Seconds, short: 3d 4h, 5m 10s. */
export function timeText(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  if (s < 86_400) {
    return `${Math.floor(s / 3600)}h ${Math.floor(s % 3600 / 60)}m`;
  }
  return `${Math.floor(s / 86_400)}d ${Math.floor(s % 86_400 / 3600)}h`;
}
