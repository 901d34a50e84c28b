/**
 * The zlib format (RFC 1950), with a limit on what may come out: small data at
 * once, large data off the event loop.
 *
 * @module
 */

import {
  deflate as deflateLater,
  deflateSync,
  inflate as inflateLater,
  inflateSync,
} from "node:zlib";
import { MemcacheSerdeError } from "../errors.ts";
import { ownCopy } from "./bytes.ts";

/** Input up to here is worked on at once: well under a millisecond or two. */
const SYNC_INPUT = 64 * 1024;
/** Output up to here is inflated at once. */
const SYNC_OUTPUT = 256 * 1024;

/** What `info: true` makes of a result; the runtimes' typings lack it. */
interface Inflated {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

/** A plain `Uint8Array` in place of the runtime's own subclass of it. */
function plain(bytes: Uint8Array): Uint8Array {
  // What is small beside its buffer is copied, not to keep all of it alive.
  return bytes.length * 2 < bytes.buffer.byteLength
    ? ownCopy(bytes, 0, bytes.length)
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Compresses bytes. */
export function deflate(data: Uint8Array): Uint8Array | Promise<Uint8Array> {
  if (data.length <= SYNC_INPUT) return plain(deflateSync(data));
  return new Promise((resolve, reject) => {
    deflateLater(data, (error, result) => {
      if (error) reject(error);
      else resolve(plain(result));
    });
  });
}

function isTooLarge(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ERR_BUFFER_TOO_LARGE";
}

function failed(
  cause: unknown,
  key: string,
  length: number,
  maxLength: number,
): MemcacheSerdeError {
  return isTooLarge(cause)
    ? new MemcacheSerdeError(
      `Cannot read value: its ${length} bytes inflate to more than maxLength, ` +
        `at most ${maxLength} bytes are allowed`,
      { key },
    )
    : new MemcacheSerdeError(
      `Cannot read value: its ${length} bytes are flagged as compressed (8), ` +
        "but are not whole zlib data; if another codec wrote them, set " +
        "decompress",
      { key, cause },
    );
}

function finish(key: string, result: Inflated, length: number): Uint8Array {
  const taken = result.engine.bytesWritten;
  if (taken !== length) {
    throw new MemcacheSerdeError(
      `Cannot read value: its compressed data ends after ${taken} of ` +
        `${length} bytes; append and prepend damage compressed values`,
      { key },
    );
  }
  return plain(result.buffer);
}

/**
 * Inflates `bytes[start..end)`, of which nothing is kept.
 *
 * @param maxLength More bytes than this are not made.
 * @throws {MemcacheSerdeError} If the bytes are not one whole zlib stream, or
 * one of more than `maxLength` bytes.
 */
export function inflate(
  key: string,
  bytes: Uint8Array,
  start: number,
  end: number,
  maxLength: number,
): Uint8Array | Promise<Uint8Array> {
  const length = end - start;
  if (length <= SYNC_INPUT) {
    const limit = Math.min(maxLength, SYNC_OUTPUT);
    try {
      const result = inflateSync(bytes.subarray(start, end), {
        info: true,
        maxOutputLength: limit,
      }) as unknown as Inflated;
      return finish(key, result, length);
    } catch (error) {
      if (error instanceof MemcacheSerdeError) throw error;
      if (!isTooLarge(error) || limit === maxLength) {
        throw failed(error, key, length, maxLength);
      }
    }
  }
  const options = { info: true, maxOutputLength: maxLength };
  const data = ownCopy(bytes, start, end);
  return new Promise((resolve, reject) => {
    inflateLater(data, options, (error, result) => {
      if (error) return reject(failed(error, key, length, maxLength));
      try {
        resolve(finish(key, result as unknown as Inflated, length));
      } catch (trailing) {
        reject(trailing);
      }
    });
  });
}
