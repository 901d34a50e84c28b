/**
 * Commands drawn at random, quiet or not, held against a model of the server:
 * no result that is not so, no failure that is not told, and no lie about whose
 * it is.
 */
import { assert, assertEquals } from "@std/assert";
import { Client, type MemcacheError } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { Random } from "../wire/_random.ts";
import { type Outcome, outcome } from "./_calls.ts";

const SEEDS = 30;
const BURSTS = 40;

/** Larger than a server of 1 KiB takes, with any key. */
const TOO_LARGE = 1200;

/** What a call comes to by the model. */
interface Verdict {
  /** What it resolves to. */
  readonly value?: unknown;
  /** The `code` of the error, where the server answers one. */
  readonly code?: string;
  /** The same, for a caller that does not wait. */
  readonly told?: string;
}

/** One call, which is carried out by the model too. */
interface Call {
  readonly name: string;
  readonly key: string;
  readonly make: (client: Client) => Promise<unknown>;
  readonly verdict: Verdict;
}

/** What a server holds, and what it answers. */
class Model {
  readonly items: Map<string, string> = new Map();

  /** Stores by a mode; tells the status. */
  store(mode: string, key: string, value: string): string {
    const old = this.items.get(key);
    if (value.length >= TOO_LARGE) {
      this.items.delete(key);
      return "tooLarge";
    }
    if (mode === "cas") return old === undefined ? "notFound" : "exists";
    if (mode === "add" ? old !== undefined : old === undefined) {
      if (mode !== "set") return "notStored";
    }
    const next = mode === "append"
      ? old + value
      : mode === "prepend"
      ? value + old
      : value;
    this.items.set(key, next);
    return "stored";
  }

  /** Counts; tells the status. */
  count(key: string, delta: number): string {
    const old = this.items.get(key);
    if (old === undefined) return "notFound";
    if (!/^\d+$/.test(old)) return "nonNumeric";
    this.items.set(key, String(Number(old) + delta));
    return "stored";
  }
}

const CODES: Readonly<Record<string, string>> = {
  tooLarge: "ERR_VALUE_REFUSED",
  nonNumeric: "ERR_NON_NUMERIC",
  notStored: "ERR_NOT_STORED",
  exists: "ERR_CAS",
  notFound: "ERR_NOT_FOUND",
};

/** What a status means to a store that nobody waits for. */
function toldOf(status: string): Verdict {
  return status === "stored"
    ? { value: true }
    : { value: true, told: CODES[status] };
}

/** What a status means to a meta command. */
function statusOf(status: string, more: object = {}): Verdict {
  return status === "tooLarge" || status === "nonNumeric"
    ? { code: CODES[status] }
    : { value: { status, ...(status === "stored" ? more : {}) } };
}

const MODES = ["set", "set", "add", "replace", "append", "prepend"] as const;

/** The CAS unique of no item. */
const NO_CAS = 2n ** 63n;

/** Draws a call, and has the model carry it out. */
function draw(random: Random, model: Model): Call {
  const text = random.pick(["t0", "t1", "t2"]);
  const number = random.pick(["n0", "n1"]);
  const large = random.oneIn(12);
  const value = large
    ? "x".repeat(TOO_LARGE)
    : `v${random.below(1000)}`.padEnd(random.below(8), "-");
  const quiet = !random.oneIn(3);
  const noreply = { noreply: true };
  const call = (
    name: string,
    key: string,
    verdict: Verdict,
    make: Call["make"],
  ): Call => ({ name, key, make, verdict });
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2: {
      // Text that grows without end would be too large one day.
      const long = (model.items.get(text)?.length ?? 0) > 200;
      const mode = long ? "set" : random.pick(MODES);
      // What is too large for an append is not stored, and no error.
      if (large && mode !== "set") return draw(random, model);
      const verdict = toldOf(model.store(mode, text, value));
      return call(
        mode,
        text,
        verdict,
        (client) => client[mode](text, value, noreply),
      );
    }
    case 3: {
      const verdict = toldOf(model.store("cas", text, "v"));
      return call(
        "cas",
        text,
        verdict,
        (client) => client.cas(text, "v", NO_CAS, noreply),
      );
    }
    case 4: {
      model.items.delete(text);
      return call(
        "delete",
        text,
        { value: true },
        (client) => client.delete(text, noreply),
      );
    }
    case 5: {
      // It stays classic, and memcached hides what becomes of it.
      const key = random.oneIn(3) ? text : number;
      model.count(key, 3);
      return call(
        "incr",
        key,
        { value: undefined },
        (client) => client.incr(key, 3, noreply),
      );
    }
    case 6: {
      const item = model.items.get(text);
      const verdict = item === undefined
        ? { value: { status: "miss" } }
        : { value: { status: "hit", value: item } };
      return call(
        "meta.get",
        text,
        verdict,
        (client) => client.meta.get(text, { quiet }),
      );
    }
    case 7: {
      const mode = large ? "set" : random.pick(MODES);
      const verdict = statusOf(model.store(mode, text, value));
      return call(
        "meta.set",
        text,
        verdict,
        (client) => client.meta.set(text, value, { quiet, mode }),
      );
    }
    case 8: {
      const status = model.items.delete(text) ? "deleted" : "notFound";
      return call(
        "meta.delete",
        text,
        { value: { status } },
        (client) => client.meta.delete(text, { quiet }),
      );
    }
    case 9: {
      const key = random.oneIn(4) ? text : number;
      const status = model.count(key, 1);
      const returnValue = random.oneIn(2);
      const count = Number(model.items.get(key));
      const verdict = statusOf(status, returnValue ? { value: count } : {});
      return call(
        "meta.arithmetic",
        key,
        verdict,
        (client) => client.meta.arithmetic(key, { quiet, returnValue }),
      );
    }
    case 10: {
      model.store("set", number, "7");
      return call(
        "set",
        number,
        { value: true },
        (client) => client.set(number, 7),
      );
    }
    default: {
      const verdict = { value: model.items.get(text) };
      return call("get", text, verdict, (client) => client.get(text));
    }
  }
}

/** Whether an error says of a key what is so. */
function says(error: MemcacheError, key: string, code: string): boolean {
  return error.code === code &&
    (error.failedKeys?.includes(key) ?? error.key === key);
}

/** Judges what came of the calls of one burst. */
function judge(
  calls: readonly Call[],
  ends: readonly Outcome[],
  errors: readonly MemcacheError[],
): void {
  const failing = calls.flatMap(({ key, verdict: { code, told } }) => {
    const wrong = code ?? told;
    return wrong === undefined ? [] : [{ key, code: wrong }];
  });
  for (const [i, { name, key, verdict }] of calls.entries()) {
    const about = `${name} ${key}`;
    const { value, error } = ends[i];
    if (error === undefined) {
      assertEquals(verdict.code, undefined, `${about} hides its error`);
      assertEquals(value, verdict.value, about);
    } else if (verdict.code !== undefined) {
      assertEquals([error.code, error.key], [verdict.code, key], about);
    } else {
      // It is one of several that may have failed, and one of them has.
      const one = failing.some(({ key, code }) =>
        error.failedKeys !== undefined && says(error, key, code)
      );
      assert(one, `${about} rejected: ${error}`);
    }
    const { told } = verdict;
    if (told === undefined) continue;
    assert(
      errors.some((error) => says(error, key, told)),
      `${about} was refused, and nobody was told`,
    );
  }
  for (const error of errors) {
    const isSo = failing.some(({ key, code }) => says(error, key, code));
    assert(isSo, `onError was told what is not so: ${error} ${error.key}`);
  }
}

/** Runs random bursts against a server. */
async function play(server: string, seed: number): Promise<void> {
  const random = new Random(seed);
  const model = new Model();
  const errors: MemcacheError[] = [];
  const client = new Client(server, {
    timeout: 8000,
    onError: (error) => void errors.push(error),
  });
  try {
    await client.flushAll();
    for (let burst = 0; burst < BURSTS; burst++) {
      const length = 1 + random.below(12);
      const calls = Array.from({ length }, () => draw(random, model));
      const ends = await Promise.all(
        calls.map(({ make }) => outcome(make(client))),
      );
      await client.flush();
      try {
        judge(calls, ends, errors.splice(0));
      } catch (error) {
        const names = calls.map(({ name, key }) => `${name} ${key}`).join(", ");
        throw new Error(`Seed ${seed}, burst ${burst} (${names})`, {
          cause: error,
        });
      }
    }
    // What the server holds in the end is what the model does.
    for (const key of ["t0", "t1", "t2", "n0", "n1"]) {
      const value = await client.get(key);
      const text = value === undefined ? undefined : String(value);
      assertEquals(text, model.items.get(key), `${key} of seed ${seed}`);
    }
  } finally {
    await client.close();
  }
}

test(
  "Client tells of quiet commands what is so, on the embedded server",
  async () => {
    const server = await MemcachedServer.start({ maxItemSize: 1024 });
    try {
      for (let seed = 0; seed < SEEDS; seed++) {
        await play(`127.0.0.1:${server.port}`, seed);
      }
    } finally {
      await server.close();
    }
  },
  { timeout: 60_000 },
);

test("Client tells of quiet commands what is so, on memcached", async () => {
  // The smallest items that there can be.
  const args = ["-I", "1k", "-o", "slab_chunk_max=512"];
  await withMemcached({ args }, async ({ server }) => {
    for (let seed = 0; seed < SEEDS; seed++) await play(server, 1000 + seed);
  });
}, { ...needsMemcached, timeout: 60_000 });

test("Client tells of every store that a full memcached refuses", async () => {
  const args = ["-m", "2", "-M"];
  await withMemcached({ args }, async ({ server }) => {
    for (const size of [600, 2000]) {
      const errors: MemcacheError[] = [];
      const client = new Client(server, {
        timeout: 8000,
        onError: (error) => void errors.push(error),
      });
      const keys = Array.from({ length: 6000 }, (_, i) => `k${size}-${i}`);
      const value = "x".repeat(size);
      for (let at = 0; at < keys.length; at += 300) {
        await Promise.all(
          keys.slice(at, at + 300).map((key) =>
            client.set(key, value, { noreply: true })
          ),
        );
      }
      await client.flush();
      const stored = await client.getMany(keys);
      const blamed = new Set<string>();
      const suspected = new Set<string>();
      for (const { code, key, failedKeys } of errors) {
        assertEquals(code, "ERR_VALUE_REFUSED");
        for (const one of failedKeys ?? []) suspected.add(one);
        if (key !== undefined) blamed.add(key);
      }
      assert(stored.size > 0 && stored.size < keys.length, String(stored.size));
      // None that is not there is left out, and none that is there is blamed.
      assertEquals(
        keys.filter((key) =>
          !stored.has(key) && !blamed.has(key) && !suspected.has(key)
        ),
        [],
      );
      assertEquals([...blamed].filter((key) => stored.has(key)), []);
      // Nobody knows whose is which in one run only.
      const unclear = errors.filter(({ failedKeys }) =>
        failedKeys !== undefined
      );
      assert(unclear.length <= 2, `${unclear.length} times it was not known`);
      await client.close();
    }
  });
}, { ...needsMemcached, timeout: 60_000 });
