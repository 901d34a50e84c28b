/**
 * The 32-bit murmur3 of one text behind many prefixes.
 *
 * @module
 */

import { finalMix, mix, murmur3, scramble } from "./murmur3.ts";

/**
 * The blocks of a text for the time of a call: its low bytes, four to a block,
 * and from the second on what they become before they go into a state.
 */
const BLOCKS: Int32Array = new Int32Array(66);
const SCRAMBLED: Int32Array = new Int32Array(66);

/** Longer texts are hashed behind each prefix from the start. */
const MAX_LENGTH = 256;

/** The prefixes whose lengths leave the same rest when divided by four. */
interface Group {
  /** That rest: how many bytes stand in the block where the text begins. */
  readonly offset: number;
  /** {@linkcode COLUMNS} numbers for each prefix. */
  readonly rows: Int32Array;
}

/** The state after the whole blocks, the bytes behind, the length, the index. */
const COLUMNS = 4;

/**
 * Hashes prefix + text for many prefixes that are known beforehand: murmur3 is
 * in a state after each prefix, so that only the text is left. Where the text
 * begins within a block is the prefix's doing; prefixes with the same rest
 * share the work on all blocks but the first.
 */
export class MurmurPrefixes {
  readonly #prefixes: readonly string[];
  readonly #seed: number;
  readonly #groups: readonly Group[];
  readonly #hashes: Uint32Array;

  /** Takes the prefixes, none of which may end within a surrogate pair. */
  constructor(prefixes: readonly string[], seed: number) {
    this.#prefixes = prefixes;
    this.#seed = seed;
    this.#hashes = new Uint32Array(prefixes.length);
    const groups: number[][] = [[], [], [], []];
    prefixes.forEach((prefix, index) => {
      const bytes = Array.from(prefix, (character) => {
        // The low byte of a pair's code point is that of its second half.
        return character.charCodeAt(character.length - 1) & 0xff;
      });
      const whole = bytes.length & ~3;
      let state = seed | 0;
      for (let i = 0; i < whole; i += 4) state = mix(state, blockAt(bytes, i));
      groups[bytes.length & 3]
        .push(state, blockAt(bytes, whole), bytes.length, index);
    });
    this.#groups = groups.flatMap((rows, offset) =>
      rows.length === 0 ? [] : [{ offset, rows: Int32Array.from(rows) }]
    );
  }

  /**
   * Hashes a text behind every prefix.
   *
   * @param text Any text, as for `murmur3`.
   * @returns The hashes in the order of the prefixes, good until the next call.
   */
  hash(text: string): Uint32Array {
    const hashes = this.#hashes;
    if (text.length > MAX_LENGTH) {
      this.#prefixes.forEach((prefix, i) => {
        hashes[i] = murmur3(prefix + text, this.#seed);
      });
      return hashes;
    }
    const count = readBlocks(text);
    const groups = this.#groups;
    for (let i = 0; i < groups.length; i++) hashGroup(groups[i], count, hashes);
    return hashes;
  }
}

/** Four bytes, the first the lowest; zeros past the end. */
function blockAt(bytes: readonly number[], at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) |
    (bytes[at + 3] << 24);
}

function hashGroup(
  { offset, rows }: Group,
  count: number,
  hashes: Uint32Array,
): void {
  const last = (offset + count) >> 2;
  const up = offset << 3;
  const down = 32 - up;
  for (let j = 1; j <= last; j++) {
    // A shift by 32 is one by 0.
    const carried = offset === 0 ? 0 : BLOCKS[j - 1] >>> down;
    SCRAMBLED[j] = scramble((BLOCKS[j] << up) | carried);
  }
  const first = BLOCKS[0] << up;
  for (let i = 0; i < rows.length; i += COLUMNS) {
    const block = first | rows[i + 1];
    let h = rows[i];
    if (last === 0) {
      h ^= scramble(block);
    } else {
      h = mix(h, block);
      for (let j = 1; j < last; j++) {
        h ^= SCRAMBLED[j];
        h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
      }
      h ^= SCRAMBLED[last];
    }
    hashes[rows[i + 3]] = finalMix(h ^ (rows[i + 2] + count));
  }
}

/**
 * Reads the low byte of each code point into {@linkcode BLOCKS}, with zeros
 * behind, and returns how many there are.
 */
function readBlocks(text: string): number {
  const length = text.length;
  let at = 0;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    const a = text.charCodeAt(i);
    const b = text.charCodeAt(i + 1);
    const c = text.charCodeAt(i + 2);
    const d = text.charCodeAt(i + 3);
    if ((a | b | c | d) >= 0xd800) return readPairs(text);
    BLOCKS[at++] = (a & 0xff) | ((b & 0xff) << 8) | ((c & 0xff) << 16) |
      (d << 24);
  }
  let block = 0;
  for (let shift = 0; i < length; i++, shift += 8) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800) return readPairs(text);
    block |= (unit & 0xff) << shift;
  }
  BLOCKS[at] = block;
  BLOCKS[at + 1] = 0;
  return length;
}

/** The same for text in which there may be surrogate pairs. */
function readPairs(text: string): number {
  let count = 0;
  let block = 0;
  for (const character of text) {
    const unit = character.charCodeAt(character.length - 1);
    block |= (unit & 0xff) << ((count & 3) << 3);
    if ((++count & 3) === 0) {
      BLOCKS[(count >> 2) - 1] = block;
      block = 0;
    }
  }
  BLOCKS[count >> 2] = block;
  BLOCKS[(count >> 2) + 1] = 0;
  return count;
}
