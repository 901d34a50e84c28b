/**
 * Damages structured values, and judges what reading them comes to.
 *
 * @module
 */
import { MemcacheSerdeError } from "../../src/errors.ts";
import { structuredSerde } from "../../src/structured/mod.ts";
import type { Serialized } from "../../src/types.ts";
import { encode, random } from "../serde/_cases.ts";
import type { Random } from "../wire/_random.ts";
import { difference, Graphs } from "./_graphs.ts";

const KEY = "the-key";
/** The flags of a structured value. */
export const FLAGS = 128;

/** Numbers that mean something, or are out of range. */
const NUMBERS: readonly string[] = [
  ...["-1", "-2", "-3", "-4", "-5", "-6", "-7", "-8", "-99", "0", "1", "2"],
  ...["0.5", "-0", "1e3", "4294967294", "4294967295", "4294967296", "1e308"],
  ...["9007199254740993", "16777216", "16777217", "null", "true", '"0"', "[]"],
];

/** Words that the form knows, or that programs trip over. */
const WORDS: readonly string[] = [
  ...["Map", "Set", "Date", "RegExp", "Object", "BigInt", "null", "Error"],
  ...["ArrayBuffer", "Uint8Array", "Float64Array", "DataView", "URL", "Buffer"],
  ...["Temporal.Instant", "URLSearchParams", "SharedArrayBuffer", "Function"],
  ...["__proto__", "constructor", "prototype", "toString", "then", "length"],
  ...["name", "message", "cause", "stack", "polluted", "TypeError", "(", "gg"],
  ...["AAAAAA==", "AAAAAQ==", "//////==", "AAAAAAAA", "1e400", "0x10", "-0"],
  ...["1970-01-01T00:00:00.000Z", "tomorrow", "", "hasOwnProperty", "valueOf"],
];

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Puts something else in place of one of the matches of a pattern. */
function replaceOne(
  text: string,
  pattern: RegExp,
  random: Random,
  by: string,
): string {
  const found = [...text.matchAll(pattern)];
  if (found.length === 0) return text;
  const { index, 0: match } = random.pick(found);
  return text.slice(0, index) + by + text.slice(index + match.length);
}

function damageOnce(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  const length = 1 + random.below(random.oneIn(4) ? 40 : 3);
  const from = random.below(text.length + 1);
  const piece = text.slice(from, from + length);
  switch (random.below(10)) {
    case 0:
      return text.slice(0, at) + text.slice(at + length);
    case 1:
      return text.slice(0, at) + piece + text.slice(at);
    case 2:
      return text.slice(0, at) + piece + text.slice(at + piece.length);
    case 3:
      return text.slice(0, at) + String.fromCharCode(random.below(256)) +
        text.slice(at + 1);
    case 4: {
      const flipped = text.charCodeAt(at) ^ 1 << random.below(8);
      return at < text.length
        ? text.slice(0, at) + String.fromCharCode(flipped) + text.slice(at + 1)
        : text.slice(0, -1);
    }
    case 5:
      return replaceOne(text, /"[^"\\]*"/g, random, `"${random.pick(WORDS)}"`);
    case 6:
      return replaceOne(text, /-?\d+/g, random, random.pick(NUMBERS));
    case 7:
      // Another object of the graph: a cycle where there was none.
      return replaceOne(text, /\b\d+\b/g, random, String(random.below(12)));
    case 8:
      // The frame: how many blocks, and how long.
      return text.slice(0, 1) + String.fromCharCode(random.below(256)) +
        text.slice(random.oneIn(2) ? 1 : 2);
    default:
      return replaceOne(
        text,
        /\[[^[\]]*\]/g,
        random,
        `["${random.pick(WORDS)}",${random.pick(NUMBERS)},"${
          random.pick(WORDS)
        }"]`,
      );
  }
}

/** Makes a structured value, damaged in one to four places. */
export function makeDamaged(numbers: Random): Uint8Array {
  const value = new Graphs(random(numbers.bits())).make(numbers.below(12));
  // A value in an object is never stored as jsonSerde does.
  const { data } = structuredSerde.serialize(KEY, { value }) as Serialized;
  let text = latin1(encode(data));
  for (let i = numbers.below(4); i >= 0; i--) text = damageOnce(text, numbers);
  return bytesOf(text);
}

/** Names of what everything inherits from, which nothing may add to. */
function inherited(): string {
  return [Object, Array, Map, Set, Date, RegExp, Error, Uint8Array, Function]
    .map(({ prototype, name }) =>
      `${name}: ${Reflect.ownKeys(prototype).map(String)}`
    ).join();
}

const INHERITED = inherited();

/** How reading came to its end. */
export type End = "value" | "refused";

/** Throws if anything that is inherited has changed since the start. */
export function checkInherited(): void {
  if (inherited() !== INHERITED) throw new Error("A prototype is polluted");
}

/**
 * Reads bytes, and throws if what comes of it is neither a value that can be
 * stored again and is then the same, nor a `MemcacheSerdeError`.
 */
export function checkRead(bytes: Uint8Array): End {
  let value: unknown;
  try {
    value = structuredSerde.deserialize(KEY, bytes, FLAGS);
  } catch (error) {
    if (!(error instanceof MemcacheSerdeError)) throw error;
    if (error.key !== KEY || !error.message.startsWith("Cannot read value: ")) {
      throw new Error(`An error without its key or message: ${error.message}`);
    }
    if (error.cause !== undefined && !/UTF-8/.test(error.message)) {
      throw new Error("An error with a cause, which may quote the value");
    }
    return "refused";
  }
  const { data, flags } = structuredSerde.serialize(KEY, value) as Serialized;
  const again = structuredSerde.deserialize(
    KEY,
    new Uint8Array(encode(data)),
    flags,
  );
  const fault = difference(again, value);
  if (fault !== undefined) throw new Error(`Stored again: ${fault}`);
  return "value";
}
