/**
 * Stores on their way from a call to a request: checks, then the serde.
 *
 * @module
 */

import { MARKER } from "../cache/marks.ts";
import { isThenable } from "../serde/guard.ts";
import type { Key, Serialized } from "../types.ts";
import { wireKey } from "../wire/key.ts";
import { checkUint32, checkUint64, illegal } from "../wire/numbers.ts";
import { LARGE_VALUE } from "../wire/output.ts";
import { exptimeNow, itemKey } from "./arguments.ts";
import type { StoreOptions } from "./commands.ts";
import { type Context, serdeError } from "./context.ts";
import {
  StoreCommand,
  type StoreHead,
  type StoreVerb,
} from "./requests/store.ts";

/**
 * Checks all of a store but its value.
 *
 * @throws {MemcacheIllegalInputError} If a part of it cannot be sent.
 */
export function storeHead(
  context: Context,
  command: StoreVerb,
  key: Key,
  options: StoreOptions | undefined,
  cas?: unknown,
): StoreHead {
  const flags = options?.flags;
  const fallback = command !== "cas" && context.defaultNoreply;
  const name = itemKey(key);
  return {
    key: name,
    wireKey: wireKey(name, context, command),
    exptime: exptimeNow(options?.ttl, command),
    flags: flags === undefined ? undefined : checkFlags(flags, command),
    noreply: options?.noreply ?? fallback,
    cas: command === "cas" ? checkUint64("cas", cas, command) : undefined,
  };
}

/** Flags that a caller gives: those that stand for no value are taken. */
function checkFlags(flags: unknown, command: string): number {
  if (flags === MARKER) {
    throw illegal("flags", flags, "another number, getOrSet has it", command);
  }
  return checkUint32("flags", flags, command);
}

/** The length of a typed array, whatever properties it was given. */
const byteLength: (this: Uint8Array) => number = Object
  .getOwnPropertyDescriptor(
    Object.getPrototypeOf(Uint8Array.prototype),
    "byteLength",
  )!.get!;

/**
 * Bytes as they are at the call: what the caller does to them afterwards is not
 * sent. Large ones are not copied, unless their memory can change its size or
 * the caller is told that they were sent before they are.
 */
function steady(data: Uint8Array, noreply: boolean): Uint8Array {
  const length = byteLength.call(data);
  if (length >= LARGE_VALUE && !noreply && data.buffer instanceof ArrayBuffer) {
    const { buffer } = data;
    if (!("resizable" in buffer && buffer.resizable)) {
      return new Uint8Array(buffer, data.byteOffset, length);
    }
  }
  return copyOf(data, length);
}

/** Short values share memory: one piece for each costs more than the copy. */
const POOL_SIZE = 16 * 1024;
const POOLED = 1024;
let pool: Uint8Array = new Uint8Array(0);
let used = 0;

/** Copies bytes into memory that no caller ever sees. */
function copyOf(data: Uint8Array, length: number): Uint8Array {
  if (length > POOLED) {
    const copy = new Uint8Array(length);
    copy.set(data);
    return copy;
  }
  if (used + length > pool.length) {
    pool = new Uint8Array(POOL_SIZE);
    used = 0;
  }
  const start = used;
  used += length;
  pool.set(data, start);
  return pool.subarray(start, used);
}

/** A serialized value as it can be kept until it has been sent. */
export function kept(
  serialized: Serialized,
  noreply: boolean,
): Serialized {
  const { data, flags } = serialized;
  if (typeof data === "string") return serialized;
  return { data: steady(data, noreply), flags };
}

/** Makes the request of a value that has been serialized. */
export function serializedRequest(
  command: StoreVerb,
  head: StoreHead,
  serialized: Serialized,
): StoreCommand {
  return new StoreCommand(command, head, kept(serialized, head.noreply));
}

/**
 * Serializes, and makes a command of it: at once, if the serde can.
 *
 * @param context What the client's requests have in common.
 * @param command The command's name, for the error.
 * @param key The caller's key.
 * @param value What to store.
 * @param make Makes the command.
 * @throws {MemcacheSerdeError} If the value cannot be stored; a promise of the
 * command rejects with it.
 */
export function serializing<C>(
  context: Context,
  command: string,
  key: string,
  value: unknown,
  make: (serialized: Serialized) => C,
): C | Promise<C> {
  try {
    const serialized = context.serde.serialize(key, value);
    if (!isThenable(serialized)) return make(serialized);
    return Promise.resolve(serialized).then(make, (error) => {
      throw serdeError(error, command, key);
    });
  } catch (error) {
    throw serdeError(error, command, key);
  }
}

/**
 * Serializes, and makes the request of a store: at once, if the serde can.
 *
 * @throws {MemcacheSerdeError} If the value cannot be stored; a promise of the
 * request rejects with it.
 */
export function storeRequest(
  context: Context,
  command: StoreVerb,
  value: unknown,
  head: StoreHead,
): StoreCommand | Promise<StoreCommand> {
  return serializing(
    context,
    command,
    head.key,
    value,
    (serialized) => serializedRequest(command, head, serialized),
  );
}
