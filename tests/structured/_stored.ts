/**
 * Values as they are stored, written and read in every way that there is.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { FROM_VIEW, type ViewSerde } from "../../src/serde/serde.ts";
import { structuredSerde } from "../../src/structured/mod.ts";
import type { Serialized } from "../../src/types.ts";
import { encode, readText } from "../serde/_cases.ts";
import { difference } from "./_graphs.ts";

/** The key of all values here. */
export const KEY = "the-key";

/** The flag of values that only `structuredSerde` reads. */
export const FLAG = 128;

/** Makes stored bytes of a value. */
export function write(value: unknown): { data: Uint8Array; flags: number } {
  const { data, flags } = structuredSerde.serialize(KEY, value) as Serialized;
  return { data: new Uint8Array(encode(data)), flags };
}

/** Reads stored bytes in both ways, and sees that both give the same. */
export function read(data: Uint8Array, flags: number): unknown {
  const buffer = new Uint8Array(data.length + 7).fill(0x39);
  buffer.set(data, 3);
  const end = 3 + data.length;
  const serde = structuredSerde as ViewSerde;
  const whole = serde.deserialize(KEY, data, flags);
  const viewed = serde[FROM_VIEW](KEY, buffer, 3, end, flags, readText);
  if (whole instanceof Uint8Array) {
    assertEquals(viewed, whole);
    return whole;
  }
  assertEquals(difference(viewed, whole), undefined);
  // Nothing that was read lies in the buffer, which is used again.
  buffer.fill(0x39);
  assertEquals(difference(viewed, whole), undefined);
  return whole;
}
