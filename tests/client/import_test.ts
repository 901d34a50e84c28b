import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { test } from "../_runtime.ts";

// No import of the package here: the tests do it when they have set their traps.

const FUNCTIONS = [
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask"],
] as const;
const METHODS = ["log", "info", "warn", "error", "debug"] as const;

const LAZY = Symbol("lazy");
const VALUE = { configurable: true, enumerable: true, writable: true };

/**
 * What is there; a getter stands for whatever a runtime may load for it. What
 * Node loads for itself meanwhile it keeps under symbols.
 */
function properties(target: object): Map<PropertyKey, unknown> {
  return new Map(
    Object.getOwnPropertyNames(target).map((key) => {
      const descriptor = Reflect.getOwnPropertyDescriptor(target, key);
      return [key, descriptor?.get === undefined ? descriptor?.value : LAZY];
    }),
  );
}

/** Replaces functions for the time of a call, and names those that were used. */
async function trapped(call: () => Promise<unknown>): Promise<string[]> {
  const used: string[] = [];
  const restore: Array<() => void> = [];
  const trap = (target: object, name: string) => {
    const original = Reflect.get(target, name);
    const descriptor = Reflect.getOwnPropertyDescriptor(target, name);
    if (typeof original !== "function" || descriptor === undefined) return;
    const value = (...args: unknown[]) => {
      used.push(name);
      return Reflect.apply(original, target, args);
    };
    Object.defineProperty(target, name, { ...VALUE, value });
    restore.push(() => Object.defineProperty(target, name, descriptor));
  };
  for (const name of FUNCTIONS) trap(globalThis, name);
  for (const name of METHODS) trap(console, name);
  try {
    await call();
  } finally {
    for (const undo of restore) undo();
  }
  return used;
}

const ENTRIES: Record<string, () => Promise<Record<string, unknown>>> = {
  "@x/memcache": () => import("@x/memcache"),
  "@x/memcache/testing": () => import("@x/memcache/testing"),
};

for (const [entry, load] of Object.entries(ENTRIES)) {
  test(`importing ${entry} opens nothing, prints nothing and touches no global`, async () => {
    const watched = [
      ...[globalThis, Object.prototype, Array.prototype, Promise.prototype],
      ...[Uint8Array.prototype, String.prototype, Error, Symbol],
    ];
    const before = watched.map(properties);
    const listeners = process.eventNames().length;
    let exported: Record<string, unknown> = {};
    const used = await trapped(async () => {
      exported = await load();
    });
    assertEquals(used, []);
    for (const [i, target] of watched.entries()) {
      const after = properties(target);
      const changed = [...after.keys()].filter((key) =>
        before[i].get(key) !== LAZY &&
        !Object.is(after.get(key), before[i].get(key))
      );
      assertEquals(changed.map(String), []);
      assertEquals(after.size, before[i].size);
    }
    assertEquals(process.eventNames().length, listeners);
    assert(Object.keys(exported).length > 0);
  });
}
