/**
 * Values as the recordings write them, as ours, and one way to show both.
 *
 * @module
 */
import { bytes } from "../_vectors.ts";

/** A value with the name of its Python type. */
export interface Tagged {
  /** The type. */
  readonly t: string;
  /** The value; decimal text for numbers, latin1 text for bytes. */
  readonly v?: unknown;
  /** A part of a long text. */
  readonly rep?: string;
  /** How often that part comes. */
  readonly n?: number;
}

type Pairs = ReadonlyArray<readonly [Tagged, Tagged]>;

/** Text of a tagged string or bytes. */
export function textOf({ v, rep = "", n = 0 }: Tagged): string {
  return typeof v === "string" ? v : rep.repeat(n);
}

/** The value of ours that comes closest. */
export function toOurs(tagged: Tagged): unknown {
  const { t, v } = tagged;
  switch (t) {
    case "none":
      return null;
    case "bool":
      return v;
    case "int": {
      const number = Number(v);
      return Number.isSafeInteger(number) ? number : BigInt(String(v));
    }
    case "float":
      return Number(v);
    case "str":
      return textOf(tagged);
    case "bytes":
    case "bytearray":
      return bytes(textOf(tagged));
    case "list":
    case "tuple":
      return (v as readonly Tagged[]).map(toOurs);
    case "dict":
      return Object.fromEntries(
        (v as Pairs).map(([key, value]) => [String(toKey(key)), toOurs(value)]),
      );
    case "object":
      return {};
  }
  throw new Error(`Cannot translate a value of the type ${t}`);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A key of ours: bytes become the text whose UTF-8 they are, if they are any. */
export function toKey(tagged: Tagged): unknown {
  if (tagged.t === "tuple") return (tagged.v as readonly Tagged[]).map(toKey);
  if (tagged.t !== "bytes") return toOurs(tagged);
  const raw = bytes(textOf(tagged));
  try {
    return utf8.decode(raw);
  } catch {
    return raw;
  }
}

/**
 * Shows a value: `none`, `true`, `42`, `"text"`, `b"bytes"`, `[…]`, `{…}` with
 * sorted keys. Numbers and bigints look the same, as Maps and objects do.
 */
export function notation(value: unknown): string {
  if (value === undefined || value === null) return "none";
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Uint8Array) return `b${JSON.stringify(latin1(value))}`;
  if (Array.isArray(value)) return `[${value.map(notation).join(", ")}]`;
  if (typeof value !== "object") return String(value);
  const entries = value instanceof Map
    ? [...value]
    : Object.entries(value as object);
  const shown = entries.map(([key, item]) =>
    `${JSON.stringify(key)}: ${notation(item)}`
  );
  return `{${shown.sort().join(", ")}}`;
}

/** Text of bytes, one character for each. */
export function latin1(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += 8192) {
    text += String.fromCharCode(...data.subarray(at, at + 8192));
  }
  return text;
}

/** UTF-8 as latin1 text, one character for each byte. */
export function utf8Text(text: string): string {
  return latin1(new TextEncoder().encode(text));
}
