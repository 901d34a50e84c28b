/**
 * What the serde tests share: tagged values of the vectors, seeded randomness.
 *
 * @module
 */
import type { ReadText } from "../../src/serde/serde.ts";
import { bytes } from "../_vectors.ts";

/** A value as tests/vectors writes it. */
export type Tagged = { t: string; v?: unknown; rep?: string; n?: number };

/** Turns a tagged value into ours; what JavaScript has no match for stays tagged. */
export function untag(tagged: Tagged): unknown {
  const { t, v, rep, n } = tagged;
  const text = rep === undefined ? v as string : rep.repeat(n ?? 0);
  switch (t) {
    case "none":
      return null;
    case "bool":
      return v;
    case "str":
      return text;
    case "bytes":
      return bytes(text);
    case "int": {
      const whole = BigInt(text);
      return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
    }
    case "float":
      return { nan: NaN, inf: Infinity, "-inf": -Infinity }[text] ??
        Number(text);
    case "list":
      return (v as Tagged[]).map(untag);
    case "dict":
      return Object.fromEntries(
        (v as [Tagged, Tagged][]).map(([key, value]) => [
          untag(key),
          untag(value),
        ]),
      );
    default:
      return tagged;
  }
}

/** The bytes that a client sends for what a serde made. */
export function encode(data: Uint8Array | string): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

/** A reader as connections have one: U+FFFD for what is no UTF-8. */
export const readText: ReadText = (view, start, end) =>
  new TextDecoder().decode(view.subarray(start, end));

/** A repeatable sequence of integers from 0 to `below` - 1. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** Random bytes. */
export function randomBytes(
  next: (below: number) => number,
  length: number,
): Uint8Array {
  return Uint8Array.from({ length }, () => next(256));
}

/** Random well-formed text: ASCII, Latin-1, the rest of the BMP, beyond it. */
export function randomText(
  next: (below: number) => number,
  length: number,
): string {
  let text = "";
  for (let i = 0; i < length; i++) {
    const top = [0x80, 0x100, 0xd800, 0x10000][next(4)];
    const point = next(top) + (top === 0x10000 ? 0x10000 : 0);
    text += String.fromCodePoint(point);
  }
  return text;
}
