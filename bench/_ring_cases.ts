/**
 * What the rings are measured with, on any runtime.
 *
 * @module
 */
import { createRequire } from "node:module";
import process from "node:process";
import type { Hasher } from "../src/ring/hasher.ts";
import { KetamaHash } from "../src/ring/ketama.ts";
import { ModuloHash } from "../src/ring/modulo.ts";
import { RecentKeys } from "../src/ring/recent_keys.ts";
import { RendezvousHash } from "../src/ring/rendezvous.ts";
import { SelectorHash } from "../src/ring/selector.ts";
import type { Case } from "./_measure.ts";

/** Keys of one run. */
const COUNT = 1000;
/**
 * So many that no memory of keys helps, npm's hashring has one of 5,000, but
 * not so many that they fall out of the processor's.
 */
const DISTINCT = 20_000;

type Find = (key: string) => string | undefined;

/** npm's hashring as npm's memcached makes it, if that has been installed. */
function hashring(servers: readonly string[]): Find | undefined {
  const require = createRequire(`${process.cwd()}/bench/compare/peers/`);
  let HashRing: new (
    servers: readonly string[],
    algorithm: string,
    options: object,
  ) => { get(key: string): string };
  try {
    HashRing = require("hashring");
  } catch {
    return undefined;
  }
  const options = { compatibility: "ketama", "default port": 11211 };
  const ring = new HashRing(servers, "md5", options);
  return (key) => ring.get(key);
}

function filled(
  hasher: Hasher,
  servers: readonly string[],
  weightOf: (index: number) => number = () => 1,
): Find {
  servers.forEach((name, i) => hasher.addNode(name, weightOf(i)));
  return (key) => hasher.getNode(key);
}

/** Different keys of 20 characters, each a flat string of its own. */
function keys(count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const id = (Math.imul(i, 0x9e3779b1) >>> 0).toString().padStart(10, "0");
    return Array.from(`user:${id}:cart`).join("");
  });
}

/** Goes round through all keys, as many at a time as one run has. */
function round(find: Find, all: readonly string[]): () => number {
  let at = 0;
  return () => {
    let found = 0;
    for (let i = 0; i < COUNT; i++) {
      if (find(all[at]) !== undefined) found++;
      if (++at === all.length) at = 0;
    }
    return found;
  };
}

/** Makes all cases. */
export function ringCases(): Case[] {
  const distinct = keys(DISTINCT);
  const few = distinct.slice(0, COUNT);
  const cases: Case[] = [];
  const add = (
    group: string,
    name: string,
    find: Find | undefined,
    all: readonly string[],
    baseline = false,
  ) => {
    if (find === undefined) return;
    const run = round(find, all);
    cases.push({ group, name, baseline, count: COUNT, bytes: 0, run });
  };
  for (const count of [1, 3, 10, 100]) {
    const servers = Array.from(
      { length: count },
      (_, i) => `10.0.1.${i + 1}:11211`,
    );
    const group = `servers: ${count}, every key is new`;
    const put = (name: string, find: Find | undefined, baseline = false) =>
      add(group, name, find, distinct, baseline);
    put("RendezvousHash", filled(new RendezvousHash(), servers), true);
    put(
      "RendezvousHash, weighted",
      filled(new RendezvousHash(), servers, (i) => i + 1),
    );
    put("KetamaHash", filled(new KetamaHash(), servers));
    put("ModuloHash", filled(new ModuloHash(), servers));
    put("SelectorHash", filled(new SelectorHash(), servers));
    put("npm's hashring", hashring(servers));
    if (count !== 10) continue;
    put(
      "RecentKeys of KetamaHash",
      filled(new RecentKeys(new KetamaHash(), { size: 5000 }), servers),
    );
    const again = `servers: ${count}, ${COUNT} keys again and again`;
    const recent = new RecentKeys(new KetamaHash());
    add(again, "RecentKeys", filled(recent, servers), few, true);
    add(again, "KetamaHash", filled(new KetamaHash(), servers), few);
    add(again, "npm's hashring", hashring(servers), few);
  }
  return cases;
}
