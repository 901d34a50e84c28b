import { assertEquals } from "@std/assert";
import { needsMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { embedded, type Peer, real } from "./_peers.ts";
import { RawClient } from "./_raw.ts";

/** Seconds of the server's clock at which the parts of a story are told. */
const TIMES = [0, 1, 3] as const;

/** Commands on the key K, at the second 0, 1 and 3. */
type Story = readonly [
  start: readonly string[],
  second: readonly string[],
  fourth: readonly string[],
];

// Nothing counts here: whether a counter that is stale stays so depends on the
// threads of memcached, one of which may hold the item just then.
const STORIES: Readonly<Record<string, Story>> = {
  "a lease that nobody fills ends, and is won again": [
    ["mg K N1 v t h", "mg K N1 v t h", "mg K v", "get K"],
    ["mg K v", "mg K N2 v t", "mg K N2 v t"],
    ["mg K v", "get K", "mg K N1 v t"],
  ],
  "a lease that is filled is no lease": [
    ["mg K N2 v", "ms K 2 T3\r\nab", "mg K N2 v t", "mg K v t"],
    ["mg K N9 v t"],
    ["mg K N9 v t", "mg K N9 v t"],
  ],
  "a lease is filled late, by its version": [
    ["mg K N1 c", "mg K N1 c"],
    ["ms K 1 C1\r\nx", "ms K 1 C9999\r\nx", "mg K v"],
    ["ms K 1 T1\r\nx", "mg K v t"],
  ],
  "a lease is an item: add and replace see it": [
    ["mg K N30", "ms K 1 ME\r\nx", "add K 0 0 1\r\nx", "mg K v"],
    ["replace K 0 30 1\r\nx", "mg K v", "mg K N30 v"],
    [],
  ],
  "a lease without end": [
    ["mg K N0 t v", "mg K N0 t v"],
    ["mg K t"],
    ["mg K t", "md K", "mg K N-1 t v", "mg K"],
  ],
  "leases that a client takes and lets go": [
    ["mg K N30", "md K", "mg K N30", "mg K N30", "touch K 1", "mg K t"],
    ["mg K"],
    ["mg K N30 t"],
  ],
  "counters know no lease": [
    ["mg K N30", "ma K", "ma K N30", "mg K v", "incr K 1"],
    ["md K", "ma K N1 J5 t v", "mg K v t"],
    ["mg K", "ma K N0 J7 T9 t v", "mg K t v"],
  ],
  "recaching is won once, when little is left": [
    ["ms K 1 T3\r\nx", "mg K t R2", "mg K t R3", "mg K t R4", "mg K R4"],
    ["mg K t R9", "mg K R1", "ms K 1 T4\r\ny", "mg K t R4", "mg K t R5"],
    ["mg K t v", "mg K t v R2", "ms K 1\r\nz", "mg K R99 t v"],
  ],
  "recaching comes nearer with time": [
    ["ms K 1 T4\r\nx", "mg K R3 t", "mg K R3 t"],
    ["mg K R3 t", "mg K R4 t"],
    ["mg K R4 t", "mg K R4 t", "mg K R-1 t", "mg K R0 t"],
  ],
  "recaching does not tell of an item that is new, or gone": [
    ["mg K N1 R30 t v", "mg K N1 R30 t v"],
    ["mg K R30 v", "mg K R30 N2 t v"],
    ["mg K R30 v"],
  ],
  "a touch, and what was won": [
    ["ms K 1 T2\r\nx", "mg K R9 t", "mg K T3 t R9", "mg K t"],
    ["mg K t R9", "touch K 9", "mg K t R30", "gat 5 K", "mg K t R30"],
    ["mg K t R30"],
  ],
  "a stale item is won once, and ends at its time": [
    ["ms K 1\r\nx", "md K I T1", "mg K v t", "mg K v t", "get K", "gets K"],
    ["mg K v t", "mg K N2 v t"],
    ["mg K v t", "md K I T1"],
  ],
  "a stale item keeps its time without T": [
    ["ms K 1 T2\r\nx", "mg K R9", "md K I", "mg K t v", "mg K t v"],
    ["mg K t v", "md K I", "mg K t v", "mg K t v"],
    ["mg K t v"],
  ],
  "a stale item gets a new time": [
    ["ms K 1\r\nx", "md K I T2", "mg K T9 t v", "mg K t"],
    ["mg K t", "touch K 4", "mg K t"],
    ["mg K t v", "gat 0 K", "mg K t v"],
  ],
  "a store makes a stale item fresh": [
    ["ms K 1\r\nx", "md K I T30", "ms K 1 T9\r\ny", "mg K t v"],
    ["md K I T30", "mg K t", "ms K 1 MR\r\nz", "mg K t v"],
    [
      "md K I",
      "set K 0 0 1\r\ns",
      "mg K v",
      "md K I",
      "ms K 1 MA\r\nt",
      "mg K v",
    ],
  ],
  "a store that does nothing leaves a stale item stale": [
    ["ms K 1\r\nx", "md K I T30", "ms K 1 ME\r\ny", "ms K 1 C99999\r\ny"],
    ["mg K v t", "add K 0 0 1\r\nx", "cas K 0 0 1 99999\r\nx", "mg K v t"],
    ["ms K 1 MA C99999\r\nx", "mg K v t"],
  ],
  "an invalidated lease is won again": [
    ["mg K N30", "mg K N30", "md K I T2", "mg K N30 t", "mg K N30 t"],
    ["mg K t", "md K I", "mg K t"],
    ["mg K t", "mg K N1 t"],
  ],
  "what the flags h and u say of a lease": [
    ["mg K N30 h", "mg K u h", "mg K h u", "mg K h", "ms K 1\r\nx", "mg K u h"],
    ["mg K u h l", "mg K h", "mg K h", "md K I", "mg K h u"],
    ["me missing", "mg K u h v"],
  ],
  "quiet leases tell all the same": [
    ["mg K q N30 v", "mg K q N30 v", "mg K q", "md K q", "mg K q v k"],
    ["ms K 1 q\r\nx", "md K q I T9", "mg K q v", "mg K q v t"],
    ["ms K 1 q ME\r\nx", "ms K 1 q\r\nx", "mg K q v"],
  ],
};

/** Stories that go by versions: they depend on all that was stored before. */
const VERSIONED: Story = [
  [
    "ms K 1 c\r\nx", // 1
    "md K I T30", // 2
    "mg K c",
    "ms K 1 C1 c\r\ny",
    "ms K 1 C1 I c\r\ny", // 3, stale
    "mg K c t v",
    "ms K 1 C2 I c T60\r\nz", // 4, stale
    "mg K c t v",
    "ms K 1 C4 c T60\r\nf", // 5, fresh
    "mg K c t v",
    "ms K 1 C6 I c\r\nz",
    "md K I T30 C4",
    "md K I T30 C5", // 6
    "ms K 1 C6 I T9 c\r\nw", // 7, fresh: the version is the right one
    "mg K c t v",
    "md K I T1", // 8
    "mg K c",
  ],
  [
    "mg K c",
    "ms K 1 C8 c\r\nx",
    "ms K 1 C7 I c\r\nx",
    "mg K N30 c", // 9
    "ms K 1 C8 I c\r\nx", // 10: stale, and won before
    "mg K c v t",
    "ms K 1 C10 c T1\r\nd", // 11
    "mg K c v t",
    "md K I", // 12
    "cas K 0 1 1 12\r\ne", // 13
    "mg K c v t",
    "md K I T1", // 14
  ],
  ["mg K c v", "ms K 1 I C14 c\r\nx", "mg K I C14 N1 c", "cas K 0 1 1 14\r\ne"],
];

/** Tells stories side by side, so that they take the time of one. */
async function tell(
  peer: Peer,
  stories: Readonly<Record<string, Story>>,
): Promise<Record<string, string[]> | undefined> {
  const client = await RawClient.connect(peer.target);
  const told: Record<string, string[]> = {};
  // From the beginning of a second on, so that all is said within it.
  await peer.pass(1);
  const start = await peer.time();
  let passed = 0;
  let late = false;
  for (const [index, time] of TIMES.entries()) {
    await peer.pass(time - passed);
    passed = time;
    let number = 0;
    for (const [name, story] of Object.entries(stories)) {
      const key = `key${++number}`;
      told[name] ??= [];
      for (const line of story[index]) {
        const command = line.replace(/\bK\b/g, key);
        const reply = await client.fenced(`${command}\r\n`);
        told[name].push(`${time} ${line} -> ${reply}`);
      }
    }
    late ||= await peer.time() !== start + time;
  }
  client.close();
  return late ? undefined : told;
}

/** What a real memcached says, on a fresh server each time. */
async function tellReal(
  stories: Readonly<Record<string, Story>>,
): Promise<Record<string, string[]>> {
  // A machine that is busy may need more than a second for a part.
  for (let attempt = 1;; attempt++) {
    const peer = await real();
    const told = await tell(peer, stories);
    await peer.stop();
    if (told !== undefined) return told;
    if (attempt === 5) throw new Error("memcached was too late five times");
  }
}

test(
  "MemcachedServer keeps leases and stale items as memcached does",
  async () => {
    await Promise.all(
      [STORIES, { versions: VERSIONED }].map(async (stories) => {
        const twin = await embedded();
        const told = await tell(twin, stories);
        await twin.stop();
        assertEquals(told, await tellReal(stories));
      }),
    );
  },
  { ...needsMemcached, timeout: 40_000 },
);
