/**
 * `structuredSerde`: stores what JSON loses, such as a `Map`, a `Date` or a
 * cycle. An entry of its own, as it needs the package `devalue`, and the client
 * needs none.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { structuredSerde } from "@x/memcache/structured";
 *
 * const client = new Client("localhost", { serde: structuredSerde });
 * await client.close();
 * ```
 *
 * @module
 */

import {
  FLAG_BIGINT,
  FLAG_INTEGER,
  FLAG_JSON,
  FLAG_STRUCTURED,
  FLAG_TEXT,
} from "../serde/flags.ts";
import { isBytes } from "../serde/bytes.ts";
import { viewSerde } from "../serde/guard.ts";
import { jsonSerde } from "../serde/json.ts";
import {
  FROM_VIEW,
  type ReadText,
  type Serde,
  UNKEPT,
  type ViewSerde,
} from "../serde/serde.ts";
import type { Serialized } from "../types.ts";
import { readStructured } from "./read.ts";
import { writeStructured } from "./write.ts";

export type { Serde, Serialized };

const json: ViewSerde = viewSerde(jsonSerde);

/** Whether `jsonSerde` stores a value so that others can use it, losing nothing. */
function isCommon(value: unknown): boolean {
  switch (typeof value) {
    case "string":
      return value.isWellFormed();
    case "number":
      return Number.isFinite(value);
    case "bigint":
    case "boolean":
      return true;
    default:
      return value === null || isBytes(value);
  }
}

const serde: ViewSerde = {
  serialize(key: string, value: unknown): Serialized | Promise<Serialized> {
    return isCommon(value)
      ? json.serialize(key, value)
      : writeStructured(key, value);
  },
  deserialize(key: string, data: Uint8Array, flags: number): unknown {
    return (flags & FLAG_STRUCTURED) === 0
      ? json.deserialize(key, data, flags)
      : readStructured(key, data, 0, data.length, flags);
  },
  [UNKEPT]: FLAG_TEXT | FLAG_INTEGER | FLAG_BIGINT | FLAG_JSON |
    FLAG_STRUCTURED,
  [FROM_VIEW](
    key: string,
    bytes: Uint8Array,
    start: number,
    end: number,
    flags: number,
    text: ReadText,
    own?: boolean,
  ): unknown {
    return (flags & FLAG_STRUCTURED) === 0
      ? json[FROM_VIEW](key, bytes, start, end, flags, text, own)
      : readStructured(key, bytes, start, end, flags, text);
  },
};

/**
 * Stores what `structuredClone` carries, the same bytes on Deno, Bun and Node:
 * Map, Set, Date, bigint, typed arrays, errors, `undefined`, cycles.
 *
 * | value | stored as | flags |
 * | --- | --- | --- |
 * | text, finite numbers, `bigint`, booleans, `null`, `Uint8Array` | as `jsonSerde` stores it, for counters, `append` and other clients | 16, 2, 4, 32, 0 |
 * | everything else | the form of this serde | 128 |
 *
 * Values with other flags than 128 are read as `jsonSerde` reads them, so a
 * fleet can change over while both are in use: readers first, as `jsonSerde`
 * hands out values with flags 128 as bytes.
 *
 * What comes back is what `structuredClone` makes of the value: objects and
 * arrays with their holes, Map, Set, Date, RegExp, ArrayBuffer, every kind of
 * typed array and DataView, Error and its six built-in kinds, boxed primitives,
 * bigint, `undefined`, `NaN`, infinities, `-0`, text with lone surrogates; what
 * is in a value twice is once in the result, and cycles stay. Instances of
 * other classes come back as plain objects of their own properties. Bytes are
 * stored as bytes.
 *
 * It differs from `structuredClone` where a value leaves the process:
 *
 * - A view of a part of a buffer takes that part only, in a buffer of its own:
 *   the rest may belong to others (Node's `Buffer` has a pool). Views of a whole
 *   buffer go on sharing it. Resizable buffers come back with a fixed length.
 * - Of an error, the name, the message and the `cause` are stored, not the
 *   stack, which names files.
 * - Instances of classes without a property of their own are refused, as all
 *   that they have is private (`URL`, `Promise`, `WeakMap` …): `structuredClone`
 *   makes `{}` of some.
 * - Elements of arrays are stored, other properties of arrays are not.
 *
 * Refused with a `MemcacheSerdeError` are functions, symbols, SharedArrayBuffer,
 * properties named `__proto__`, and in one value more than these: objects 500
 * deep (a key of a Map that is an object is a level, too), 16,777,216 elements
 * of arrays with holes, 16,384 characters of RegExps, 332,192 bits of a bigint.
 *
 * Stored bytes run no code, whatever they are, and change nothing but the
 * result. Reading takes time and memory in proportion to their length, and what
 * this serde cannot have written is a `MemcacheSerdeError`. A Float16Array
 * cannot be read where there is none (Node 20 and 22).
 *
 * Where JSON is enough, `jsonSerde` is several times as fast; typed arrays are
 * ten times as fast here.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { Client, compressedSerde } from "@x/memcache";
 * import { structuredSerde } from "@x/memcache/structured";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address, {
 *   serde: compressedSerde({ serde: structuredSerde }),
 * });
 *
 * const team = { founded: new Date(0), roles: new Map([["Ada", 1n]]) };
 * await client.set("team", team);
 * assert.deepEqual(await client.get("team"), team);
 *
 * await client.close();
 * await server.close();
 * ```
 */
export const structuredSerde: Serde = serde;
