/**
 * Compression around another serde.
 *
 * @module
 */

import { MemcacheIllegalInputError, MemcacheSerdeError } from "../errors.ts";
import type { Serialized } from "../types.ts";
import { isBytes, ownCopy } from "./bytes.ts";
import { FLAG_COMPRESSED } from "./flags.ts";
import { attempt, isThenable, viewSerde } from "./guard.ts";
import { jsonSerde } from "./json.ts";
import {
  FROM_VIEW,
  type ReadText,
  type Serde,
  UNKEPT,
  type ViewSerde,
} from "./serde.ts";
import { deflate, inflate } from "./zlib.ts";

/** What {@linkcode compressedSerde} can be told. */
export interface CompressedSerdeOptions {
  /**
   * Makes the bytes that are compressed; its flags must leave bit 8 free.
   *
   * @default {jsonSerde}
   */
  serde?: Serde;
  /**
   * Bytes above which a value is compressed; `0` for never.
   *
   * @default {400}
   */
  minLength?: number;
  /**
   * Bytes that a stored value may inflate to, at least 1. Longer values are
   * stored uncompressed, so that they can be read back.
   *
   * @default {134217728} 128 MiB
   */
  maxLength?: number;
  /**
   * Compresses bytes in place of zlib, at once or later. What is not smaller
   * than its input is not used.
   */
  compress?: (data: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /**
   * Undoes `compress` in place of zlib, at once or later. It may keep the
   * bytes. It has to bound its own memory: only what it returns is held
   * against `maxLength`.
   */
  decompress?: (data: Uint8Array) => Uint8Array | Promise<Uint8Array>;
}

const DEFAULT_MIN_LENGTH = 400;
const DEFAULT_MAX_LENGTH = 128 * 1024 * 1024;

const ENCODER = new TextEncoder();

function checkLength(
  name: string,
  value: number | undefined,
  min: number,
  fallback: number,
): number {
  if (value === undefined) return fallback;
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new MemcacheIllegalInputError(
    `Cannot make serde: ${name} must be an integer of at least ${min}`,
    { sent: false },
  );
}

function checkCodec(name: string, value: unknown): void {
  if (value === undefined || typeof value === "function") return;
  throw new MemcacheIllegalInputError(
    `Cannot make serde: ${name} is not a function`,
    { sent: false },
  );
}

/**
 * Wraps a serde so that long values are stored compressed, with flag 8 added:
 * pymemcache's `CompressedSerde`. Each side reads what the other writes, as
 * far as the serdes within agree.
 *
 * Values longer than `minLength` bytes are compressed, and stored so only if
 * that makes them smaller. Values without flag 8 are read as they are, so that
 * compression can be switched on and off with values in store. Data that does
 * not decompress, goes on after its end, or inflates beyond `maxLength` is a
 * {@linkcode MemcacheSerdeError}.
 *
 * Above 64 KiB of input (or 256 KiB of output) the work is done off the event
 * loop: such a store is sent later than commands issued right after it, so
 * await it where order matters, and before its bytes are changed. `append` and `prepend` damage compressed
 * values, and `flags` given to a store have to contain the bit themselves.
 *
 * @param options The serde within, the limits, another codec.
 * @returns The serde, for the `serde` option of a client.
 * @throws {MemcacheIllegalInputError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { Client, compressedSerde } from "@x/memcache";
 *
 * const client = new Client("localhost", {
 *   serde: compressedSerde({ minLength: 1000, maxLength: 8 * 1024 * 1024 }),
 * });
 * await client.close();
 * ```
 */
export function compressedSerde(options: CompressedSerdeOptions = {}): Serde {
  const inner = viewSerde(options.serde ?? jsonSerde);
  const { minLength: min, maxLength: max, compress, decompress } = options;
  const minLength = checkLength("minLength", min, 0, DEFAULT_MIN_LENGTH);
  const maxLength = checkLength("maxLength", max, 1, DEFAULT_MAX_LENGTH);
  checkCodec("compress", compress);
  checkCodec("decompress", decompress);

  function pack(
    key: string,
    plain: Serialized,
  ): Serialized | Promise<Serialized> {
    const { flags } = plain;
    if ((flags & FLAG_COMPRESSED) !== 0) {
      throw new MemcacheSerdeError(
        "Cannot store value: the serde inside compressedSerde() uses flag 8, " +
          "which says that a value is compressed",
        { key },
      );
    }
    // A UTF-16 unit is at most three bytes of UTF-8.
    if (minLength === 0 || plain.data.length * 3 <= minLength) return plain;
    const data = typeof plain.data === "string"
      ? ENCODER.encode(plain.data)
      : plain.data;
    if (data.length <= minLength || data.length > maxLength) {
      return { data, flags };
    }
    return attempt<Uint8Array, Serialized>(
      "store",
      key,
      () => compress === undefined ? deflate(data) : compress(data),
      (packed) => {
        if (!isBytes(packed)) {
          throw new MemcacheSerdeError(
            "Cannot store value: compress did not return a Uint8Array",
            { key },
          );
        }
        return packed.length < data.length
          ? { data: packed, flags: (flags | FLAG_COMPRESSED) >>> 0 }
          : { data, flags };
      },
    );
  }

  function unpack(
    key: string,
    bytes: Uint8Array,
    start: number,
    end: number,
    flags: number,
  ): unknown {
    const innerFlags = (flags & ~FLAG_COMPRESSED) >>> 0;
    if (decompress === undefined) {
      return attempt<Uint8Array, unknown>(
        "read",
        key,
        () => inflate(key, bytes, start, end, maxLength),
        (data) => inner.deserialize(key, data, innerFlags),
      );
    }
    return attempt<Uint8Array, unknown>(
      "read",
      key,
      () => decompress(ownCopy(bytes, start, end)),
      (data) => {
        if (!isBytes(data) || data.length > maxLength) {
          throw new MemcacheSerdeError(
            isBytes(data)
              ? `Cannot read value: it inflates to ${data.length} bytes, at ` +
                `most maxLength, ${maxLength}, are allowed`
              : "Cannot read value: decompress did not return a Uint8Array",
            { key },
          );
        }
        return inner.deserialize(key, data, innerFlags);
      },
    );
  }

  const serde: ViewSerde = {
    serialize(key: string, value: unknown): Serialized | Promise<Serialized> {
      const plain = inner.serialize(key, value);
      return isThenable(plain)
        ? Promise.resolve(plain).then((result) => pack(key, result))
        : pack(key, plain);
    },
    deserialize(key: string, data: Uint8Array, flags: number): unknown {
      return (flags & FLAG_COMPRESSED) === 0
        ? inner.deserialize(key, data, flags)
        : unpack(key, data, 0, data.length, flags);
    },
    // What is compressed may be waited for, out of memory of its own.
    [UNKEPT]: 0,
    [FROM_VIEW](
      key: string,
      bytes: Uint8Array,
      start: number,
      end: number,
      flags: number,
      text: ReadText,
      own?: boolean,
    ): unknown {
      return (flags & FLAG_COMPRESSED) === 0
        ? inner[FROM_VIEW](key, bytes, start, end, flags, text, own)
        : unpack(key, bytes, start, end, flags);
    },
  };
  return serde;
}
