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

/** A serde with the shortcut. */
export interface ViewSerde<V = unknown> extends Serde<V> {
  /**
   * Makes a value of `bytes[start..end)`, of which nothing may be kept: what
   * outlives the call is copied.
   */
  [FROM_VIEW](
    key: string,
    bytes: Uint8Array,
    start: number,
    end: number,
    flags: number,
    text: ReadText,
  ): V | Promise<V>;
}
