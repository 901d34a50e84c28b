/**
 * Every place of every method of `client.meta`.
 *
 * @module
 */
import { Client } from "@x/memcache";
import {
  type Call,
  keyed,
  type Loose,
  options,
  type Place,
  places,
} from "./_places.ts";
import { turncoat } from "./_things.ts";

const meta = (client: Loose): Loose => client.meta as unknown as Loose;

const EVERY = ["opaque", "quiet", "returnKey"];
const CAS = ["compareCas", "newCas"];

const GET = [
  ...EVERY,
  ...["returnValue", "returnFlags", "returnCas", "returnTtl", "returnSize"],
  ...["returnHitBefore", "returnLastAccess", "noBump", "touch", "vivify"],
  ...["recache", ...CAS],
];

/** Options that are for others only: those stand beside the hostile one. */
function beside(
  method: string,
  rest: readonly unknown[],
  others: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Record<string, Call> {
  return Object.fromEntries(
    names.map((name): [string, Call] => [
      `${name} beside ${Object.keys(others)}`,
      (client, thing) =>
        meta(client)[method]("k", ...rest, { ...others, [name]: thing }),
    ]),
  );
}

/** Options that are all fine, until they are looked at once more. */
function changing(
  name: string,
  rest: readonly unknown[],
  fine: Readonly<Record<string, unknown>>,
): Place[] {
  const calls = [1, 2].map((times): [string, Call] => [
    `options that change after ${times}`,
    (client, thing) =>
      meta(client)[name]("k", ...rest, turncoat(fine, thing, times)),
  ]);
  return places([SENDS[name]], "one", false, Object.fromEntries(calls));
}

const SENDS: Readonly<Record<string, string>> = {
  get: "mg",
  set: "ms",
  delete: "md",
  arithmetic: "ma",
};

/** A quiet one is read as the classic store that it is. */
const STORES = ["ms", "set", "add", "replace", "append", "prepend", "cas"];

/** Every option of a method, as it may be. */
const FINE: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  every: { opaque: "o", returnKey: true, compareCas: 0, newCas: 5 },
  get: { touch: 5, vivify: 5, recache: 5, returnTtl: true, returnFlags: true },
  set: { ttl: 5, flags: 5, mode: "append", vivify: 5, returnCas: true },
  delete: { touch: 5, invalidate: true },
  arithmetic: { mode: "decr", delta: 5, vivify: 5, initial: 5, touch: 5 },
};

function changes(name: string, ...rest: unknown[]): Place[] {
  return changing(name, rest, { ...FINE.every, ...FINE[name] });
}

/** Every method of `client.meta`, and its places. */
export const META_PLACES: Readonly<Record<string, readonly Place[]>> = {
  "meta.get": [...keyed("meta.get", ["mg"], [], GET), ...changes("get")],
  "meta.getMany": [
    ...places(["mg"], "any", true, {
      keys: (client, thing) => meta(client).getMany(thing),
      "one of the keys": (client, thing) => meta(client).getMany(["k", thing]),
      "key with flags": (client, thing) =>
        meta(client).getMany([[thing, { returnTtl: true }]]),
      // Text and bytes make a pair of it.
      "flags of an entry": (client, thing) =>
        meta(client).getMany([["k", thing]]),
    }),
    ...places(["mg"], "any", false, {
      ...options(GET, (client, all) => meta(client).getMany(["k", "k2"], all)),
      "opaque of an entry": (client, thing) =>
        meta(client).getMany([["k", { opaque: thing }]]),
      "touch of an entry": (client, thing) =>
        meta(client).getMany([["k", { touch: thing }], "k2"]),
    }),
  ],
  "meta.set": [
    ...keyed(
      "meta.set",
      STORES,
      ["v"],
      [...EVERY, ...CAS, "ttl", "flags", "mode", "returnCas", "returnSize"],
      {
        value: (client, thing) => meta(client).set("k", thing),
        "value in mode append": (client, thing) =>
          meta(client).set("k", thing, { mode: "append" }),
        ...beside("set", ["v"], { compareCas: 1 }, ["invalidate"]),
        ...beside("set", ["v"], { mode: "append" }, ["vivify"]),
      },
    ),
    ...changes("set", "v"),
  ],
  "meta.delete": [
    ...keyed(
      "meta.delete",
      ["md"],
      [],
      [...EVERY, ...CAS, "invalidate", "removeValue"],
      beside("delete", [], { invalidate: true }, ["touch"]),
    ),
    ...changes("delete"),
  ],
  "meta.arithmetic": [
    ...keyed(
      "meta.arithmetic",
      ["ma"],
      [],
      [
        ...[
          ...EVERY,
          ...CAS,
          "mode",
          "delta",
          "vivify",
          "touch",
          "returnValue",
        ],
        ...["returnTtl", "returnCas"],
      ],
      beside("arithmetic", [], { vivify: 60 }, ["initial"]),
    ),
    ...changes("arithmetic"),
  ],
  "meta.debug": keyed("meta.debug", ["me"], [], []),
  "meta.noop": places(
    [],
    "any",
    false,
    options([], (client, all) => meta(client).noop(all)),
  ),
};

/** Names of the methods of `client.meta`. */
export function metaMethods(): string[] {
  const prototype = Object.getPrototypeOf(new Client().meta);
  return Object.getOwnPropertyNames(prototype)
    .filter((name) => name !== "constructor")
    .map((name) => `meta.${name}`).sort();
}
