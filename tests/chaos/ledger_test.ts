/**
 * The judge of the chaos tests can say no: it is shown wrong results of every
 * kind, by hand and by clients that lie.
 */
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import {
  Client,
  type KeyCommands,
  MemcacheTimeoutError,
  MemcacheUnknownError,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { random } from "../connection/_random.ts";
import { Calls } from "./_calls.ts";
import { Lateness } from "./_lateness.ts";
import { History, Ledger, type Span, valueOf } from "./_ledger.ts";
import { Load } from "./_load.ts";
import { Chain, Tally } from "./_tally.ts";

/** What a judge says of one story; `undefined`: it is content. */
function verdict(
  tell: (history: History, ledger: Ledger) => void,
  strict = true,
): string | undefined {
  const ledger = new Ledger(1, strict);
  tell(new History(ledger, "k", 0), ledger);
  assertEquals(ledger.judged > 0, true, "Nothing was judged");
  return ledger.wrong[0];
}

function store(history: History, fate: "done" | "unknown" | "never"): string {
  const step = history.begin(10);
  history.end(step, fate);
  return history.value(step);
}

function span(ledger: Ledger): Span {
  return { from: ledger.tick(), to: ledger.tick() };
}

/** Stories that are in order. */
const FINE: Record<string, (history: History, ledger: Ledger) => void> = {
  "the last value": (history, ledger) => {
    store(history, "done");
    const value = store(history, "done");
    history.judge(span(ledger), value, "get");
  },
  "a miss before the first store": (history, ledger) => {
    history.judge(span(ledger), undefined, "get");
  },
  "a miss after a deletion": (history, ledger) => {
    store(history, "done");
    history.end(history.begin(undefined), "done");
    history.judge(span(ledger), undefined, "get");
    history.judgePresence(span(ledger), false, "has");
  },
  "a miss after a kill": (history, ledger) => {
    store(history, "done");
    ledger.killing(0)();
    history.judge(span(ledger), undefined, "get");
  },
  "a miss while it is killed": (history, ledger) => {
    store(history, "done");
    const from = ledger.tick();
    ledger.killing(0)();
    history.judge({ from, to: ledger.tick() }, undefined, "get");
  },
  "an older value that comes late": (history, ledger) => {
    const late = store(history, "unknown");
    store(history, "done");
    history.judge(span(ledger), late, "get");
  },
  "a value that is being stored": (history, ledger) => {
    store(history, "done");
    const from = ledger.tick();
    const value = store(history, "done");
    history.judge({ from, to: ledger.tick() }, value, "get");
  },
  "the value before, while the next one is being stored": (history, ledger) => {
    const value = store(history, "done");
    const from = ledger.tick();
    store(history, "done");
    history.judge({ from, to: ledger.tick() }, value, "get");
  },
  "a refusal after something unknown": (history, ledger) => {
    store(history, "unknown");
    history.judgeRefusal(span(ledger), "cas");
  },
};

/** Stories that are not. */
const WRONG: Record<
  string,
  [says: RegExp, tell: (history: History, ledger: Ledger) => void]
> = {
  "an older value": [/found version 1 \(done\)/, (history, ledger) => {
    const old = store(history, "done");
    store(history, "done");
    history.judge(span(ledger), old, "get");
  }],
  "an older value after a deletion": [/found version 1/, (history, ledger) => {
    const old = store(history, "done");
    history.end(history.begin(undefined), "done");
    history.judge(span(ledger), old, "get");
  }],
  "a miss after a store": [/lost version 1/, (history, ledger) => {
    store(history, "done");
    history.judge(span(ledger), undefined, "get");
  }],
  "absence after a store": [/lost version 1/, (history, ledger) => {
    store(history, "done");
    history.judgePresence(span(ledger), false, "has");
  }],
  "presence after a deletion": [/is there/, (history, ledger) => {
    store(history, "done");
    history.end(history.begin(undefined), "done");
    history.judgePresence(span(ledger), true, "touch");
  }],
  "a miss after a store that came after a kill": [/lost/, (history, ledger) => {
    ledger.killing(0)();
    store(history, "done");
    history.judge(span(ledger), undefined, "get");
  }],
  "a value from before a kill": [/found version 1/, (history, ledger) => {
    const value = store(history, "done");
    ledger.killing(0)();
    history.judge(span(ledger), value, "get");
  }],
  "an unknown value from before a kill": [/version 1/, (history, ledger) => {
    const value = store(history, "unknown");
    ledger.killing(0)();
    history.judge(span(ledger), value, "get");
  }],
  "what was never sent": [/found version 1 \(never\)/, (history, ledger) => {
    const value = store(history, "never");
    history.judge(span(ledger), value, "get");
  }],
  "a value from the future": [/found version 1/, (history, ledger) => {
    const now = span(ledger);
    history.judge(now, store(history, "done"), "get");
  }],
  "another key's value": [/value of another key/, (history, ledger) => {
    store(history, "done");
    history.judge(span(ledger), valueOf("other", 1, 10), "get");
  }],
  "half a value": [/damaged value/, (history, ledger) => {
    const value = store(history, "done");
    history.judge(span(ledger), value.slice(0, -1), "get");
  }],
  "one wrong character": [/damaged value/, (history, ledger) => {
    const value = store(history, "done");
    history.judge(span(ledger), `${value.slice(0, -1)}!`, "get");
  }],
  "a number": [/found number/, (history, ledger) => {
    store(history, "done");
    history.judge(span(ledger), 1, "get");
  }],
  "a version that nobody stored": [/nobody stored/, (history, ledger) => {
    history.judge(span(ledger), valueOf("k", 7, 10), "get");
  }],
  "a refusal for no reason": [/refused for no reason/, (history, ledger) => {
    store(history, "done");
    history.judgeRefusal(span(ledger), "cas");
  }],
};

test("History.judge() is content with what may be", () => {
  for (const [name, tell] of Object.entries(FINE)) {
    assertEquals(verdict(tell), undefined, name);
  }
});

test("History.judge() complains of what cannot be", () => {
  for (const [name, [says, tell]] of Object.entries(WRONG)) {
    assertMatch(verdict(tell) ?? "", says, name);
  }
});

test("History.judge() complains of what is not its key's, even where keys move", () => {
  const integrity = Object.entries(WRONG).filter(([name]) =>
    /another key|half|wrong|number|nobody|never|future/.test(name)
  );
  assertEquals(integrity.length, 7);
  for (const [name, [says, tell]] of integrity) {
    assertMatch(verdict(tell, false) ?? "", says, name);
  }
  const old = WRONG["an older value"][1];
  assertEquals(verdict(old, false), undefined);
});

test("Tally.judge() complains of what was counted twice, or by nobody", () => {
  const tell = (
    results: ReadonlyArray<number | undefined>,
    tries = results.length,
  ) => {
    const ledger = new Ledger(1);
    const tally = new Tally(ledger, "n", 0);
    const base = tally.begin();
    tally.began(base, span(ledger), "done");
    for (let i = results.length; i < tries; i++) tally.counting();
    for (const result of results) {
      const before = tally.counting();
      const found = result === undefined ? undefined : base + result;
      tally.judge(span(ledger), before, found);
    }
    return ledger.wrong[0];
  };
  assertEquals(tell([1, 2, 3]), undefined);
  assertEquals(tell([1, 3], 3), undefined, "Somebody else counted as well");
  assertMatch(tell([1, 1]) ?? "", /given twice/);
  assertMatch(tell([1, 2, 1]) ?? "", /given twice/);
  assertMatch(tell([2, 1], 3) ?? "", /after/);
  assertMatch(tell([1, 3]) ?? "", /at most/);
  assertMatch(tell([1, undefined]) ?? "", /lost the counter/);
  assertMatch(tell([-1_000_000]) ?? "", /no beginning/);
});

test("Chain.judge() complains of what was appended twice, or is lost", () => {
  const tell = (
    change: (text: string, records: readonly string[]) => string,
    fate: "done" | "unknown" | "never" = "done",
  ) => {
    const ledger = new Ledger(1);
    const chain = new Chain(ledger, "list", 0);
    const step = chain.head.begin(5);
    chain.head.end(step, "done");
    const records: string[] = [];
    for (let i = 0; i < 3; i++) {
      records.push(chain.record());
      chain.appended(span(ledger), i === 1 ? fate : "done");
    }
    const text = chain.head.value(step) + records.join("");
    chain.judge(span(ledger), change(text, records));
    return ledger.wrong[0];
  };
  assertEquals(tell((text) => text), undefined);
  assertEquals(
    tell((text, [, two]) => text.replace(two, ""), "unknown"),
    undefined,
  );
  assertMatch(tell((text, [one]) => text + one) ?? "", /appended twice/);
  assertMatch(
    tell((text, [, two]) => text.replace(two, "")) ?? "",
    /lost record 2/,
  );
  assertMatch(tell((text) => text, "never") ?? "", /appended by nobody/);
  assertMatch(tell((text) => text.slice(0, -1)) ?? "", /found record/);
  assertMatch(tell((text) => text.slice(1)) ?? "", /another key/);
});

/** A client, some methods of which lie. */
type Lies = (client: Client, chance: () => number) => Partial<KeyCommands>;

/** Ways to lie, and what the judge says to them. */
const LIES: Record<string, [says: RegExp, lies: Lies]> = {
  "gives one key's value for another": [/value of another key/, (client) => {
    let last = "none";
    return {
      get: (key, options) => {
        const asked = last;
        last = String(key);
        return client.get(asked, options);
      },
    };
  }],
  "gives old values": [/found version \d+ \(done\)/, (client) => {
    const memory = new Map<string, unknown>();
    return {
      // The type is what the caller says it is.
      get: async <T>(key: unknown, options?: object) => {
        const value = await client.get<T>(String(key), options);
        const old = memory.get(String(key));
        memory.set(String(key), value);
        return (old as T | undefined) ?? value;
      },
    };
  }],
  "says stored, and stores nothing": [
    /lost version|found version/,
    (client, chance) => ({
      set: (key, value, options) =>
        chance() < 0.1
          ? Promise.resolve(true)
          : client.set(key, value, options),
    }),
  ],
  "says failed and not sent, and stores": [
    /\(never\)/,
    (client, chance) => ({
      set: async (key, value, options) => {
        const done = await client.set(key, value, options);
        if (chance() > 0.2) return done;
        throw new MemcacheTimeoutError("oh", { sent: false });
      },
    }),
  ],
  "cuts values": [/damaged value/, (client) => ({
    getMany: async <T>(keys: Iterable<unknown>, options?: object) => {
      const values = await client.getMany<T>([...keys].map(String), options);
      for (const [key, value] of values) {
        // A text stays a text.
        if (typeof value === "string") values.set(key, value.slice(0, -1) as T);
      }
      return values;
    },
  })],
  "hands out the same bytes again": [/changed after/, (client) => {
    let shared = new Uint8Array(0);
    return {
      get: async <T>(key: unknown, options?: object) => {
        const value = await client.get<T>(String(key), options);
        if (!(value instanceof Uint8Array)) return value;
        if (shared.length < value.length) shared = new Uint8Array(200_000);
        shared.set(value);
        // Bytes stay bytes.
        return shared.subarray(0, value.length) as T & Uint8Array;
      },
    };
  }],
  "counts twice": [/at most/, (client) => ({
    incr: async <D extends number | bigint>(
      key: unknown,
      delta?: D,
      options?: object,
    ) => {
      await client.incr(String(key), delta, options);
      return await client.incr(String(key), delta, options);
    },
  })],
  "appends twice": [/appended twice/, (client) => ({
    append: async (key, value, options) => {
      await client.append(key, value, options);
      return await client.append(key, value, options);
    },
  })],
  "refuses": [/refused for no reason/, () => ({
    cas: () => Promise.resolve(false),
  })],
  "takes its time": [/took \d+ ms/, (client) => {
    let calls = 0;
    return {
      get: async <T>(key: unknown, options?: object) => {
        const ms = ++calls === 50 ? 2000 : 0;
        await new Promise((resolve) => setTimeout(resolve, ms));
        return await client.get<T>(String(key), options);
      },
    };
  }],
  "breaks down": [/failed with foreign: oh/, () => ({
    has: () => Promise.reject(new Error("oh")),
  })],
  "tells of a reply that is none": [/ERR_UNKNOWN_REPLY/, () => ({
    has: () => Promise.reject(new MemcacheUnknownError("oh")),
  })],
};

/** A load on the embedded server, and what the judge says to it. */
async function judged(lies: Lies): Promise<string[]> {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  const chance = random(5);
  const lying = lies(client, chance);
  const shown = new Proxy<KeyCommands>(client, {
    get: (_, name) => {
      // Whatever is no lie is the client's own.
      const method = Reflect.get(lying, name) ?? Reflect.get(client, name);
      return method.bind(client);
    },
  });
  const ledger = new Ledger(1);
  const lateness = new Lateness();
  const calls = new Calls(ledger, lateness);
  const load = new Load({
    clients: [shown],
    calls,
    ledger,
    serverOf: () => 0,
    random: random(7),
    timeout: 500,
    width: 8,
    impatience: 0,
  });
  await load.run(1000);
  lateness.stop();
  await client.close();
  await server.close();
  assertGreater(ledger.judged, 200);
  return ledger.wrong;
}

test("Load finds nothing to complain of in a client that tells the truth", async () => {
  assertEquals(await judged(() => ({})), []);
});

for (const [how, [says, lies]] of Object.entries(LIES)) {
  test(`Load finds out a client that ${how}`, async () => {
    const wrong = await judged(lies);
    assert(wrong.some((text) => says.test(text)), wrong.slice(0, 5).join("\n"));
  }, { timeout: 30_000 });
}
