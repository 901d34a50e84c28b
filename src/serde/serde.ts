/**
 * What a serde is: the two functions between a caller's value and the bytes
 * and flags that memcached stores.
 *
 * @module
 */

import type { Serialized } from "../types.ts";

/** Turns values into bytes with flags, and back. */
export interface Serde<V = unknown> {
  /**
   * Makes the bytes to store of a value.
   *
   * @param key The caller's key.
   * @param value What to store.
   * @returns The bytes and the flags; a promise of them is waited for.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   */
  serialize(key: string, value: V): Serialized | Promise<Serialized>;
  /**
   * Makes a value of stored bytes.
   *
   * @param key The caller's key.
   * @param data The stored bytes; the serde may keep them.
   * @param flags The flags stored with them.
   * @returns The value; a promise of it is waited for.
   * @throws {MemcacheSerdeError} If the bytes cannot be read.
   */
  deserialize(key: string, data: Uint8Array, flags: number): V | Promise<V>;
}

/** Reads UTF-8, with U+FFFD for what is none. */
export type ReadText = (
  bytes: Uint8Array,
  start: number,
  end: number,
) => string;

/**
 * Name of the shortcut that our own serdes have: it reads a value where it
 * lies in the receive buffer, without a copy made for it first.
 */
export const FROM_VIEW: unique symbol = Symbol("fromView");

/**
 * Name of the flags any of which says that nothing of a value's bytes is kept:
 * -1 where none ever is, 0 where all may be.
 */
export const UNKEPT: unique symbol = Symbol("unkept");

/** Whether the bytes of a value with these flags may be kept. */
export function keepsBytes(serde: ViewSerde, flags: number): boolean {
  const unkept = serde[UNKEPT];
  return unkept !== -1 && (flags & unkept) === 0;
}

/** A serde with the shortcut. */
export interface ViewSerde<V = unknown> extends Serde<V> {
  /** See {@linkcode UNKEPT}. */
  readonly [UNKEPT]: number;
  /**
   * Makes a value of `bytes[start..end)`.
   *
   * @param text Makes text of bytes in the runtime's fastest way.
   * @param own Whether the memory is the value's own, to be kept; if absent, what
   * outlives the call is copied.
   */
  [FROM_VIEW](
    key: string,
    bytes: Uint8Array,
    start: number,
    end: number,
    flags: number,
    text: ReadText,
    own?: boolean,
  ): V | Promise<V>;
}
