/**
 * What `explain()` leaves behind in the ring of a cluster: nothing.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  dial,
  HashClient,
  type Hasher,
  HashTags,
  KetamaHash,
  ModuloHash,
  parseServer,
  RecentKeys,
  RendezvousHash,
  SelectorHash,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { outcome } from "../connection/_calls.ts";

/** Numbers from 0 to below 1, the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A hasher of the user's own: the three methods, by name. */
class OwnHash implements Hasher {
  nodes: string[] = [];
  addNode(name: string): void {
    this.nodes = [...new Set([...this.nodes, name])].sort();
  }
  removeNode(name: string): void {
    this.nodes = this.nodes.filter((node) => node !== name);
  }
  getNode(key: string): string | undefined {
    return this.nodes[key.length % this.nodes.length];
  }
}

const HASHERS: Record<string, { make: () => Hasher; weights?: true }> = {
  RendezvousHash: { make: () => new RendezvousHash(), weights: true },
  KetamaHash: { make: () => new KetamaHash(), weights: true },
  "KetamaHash (3rd-eden)": {
    make: () => new KetamaHash({ variant: "3rd-eden" }),
    weights: true,
  },
  ModuloHash: { make: () => new ModuloHash(), weights: true },
  "ModuloHash (gomemcache)": {
    make: () => new ModuloHash({ variant: "gomemcache" }),
  },
  SelectorHash: { make: () => new SelectorHash() },
  "SelectorHash (consistent)": {
    make: () => new SelectorHash({ selector: "consistent" }),
  },
  HashTags: { make: () => new HashTags(new ModuloHash()), weights: true },
  RecentKeys: { make: () => new RecentKeys(new KetamaHash()), weights: true },
  "one of the user's own": { make: () => new OwnHash() },
};

const KEYS = Array.from({ length: 1000 }, (_, i) => `${"k".repeat(i % 7)}${i}`);

for (const [name, { make, weights }] of Object.entries(HASHERS)) {
  test(`explain() leaves all keys where they are, whatever has happened (${name})`, async () => {
    const server = await MemcachedServer.start();
    const home = parseServer(server.address);
    const down = new Set<string>();
    const hasher = make();
    const client = new HashClient([], {
      hasher,
      ...{ retryAttempts: 0, deadTimeout: 600_000 },
      dial: (address, options) =>
        down.has(address.name)
          ? Promise.reject(new Error("down"))
          : dial(home, options),
    });
    const placed = () =>
      KEYS.map((key) =>
        [
          hasher.getNode(key),
          ...hasher.getNodes?.(key) ?? [],
        ].join()
      );
    const random = randomOf(7);
    const pick = <T>(items: readonly T[]) =>
      items[Math.floor(random() * items.length)];
    const all = Array.from({ length: 6 }, (_, i) => `10.0.0.${i}:11211`);
    for (let round = 0; round < 20; round++) {
      const host = pick(all);
      const port = 11211;
      const weight = weights ? 1 + Math.floor(random() * 3) : 1;
      const what = random();
      if (what < 0.5) {
        client.addServer({ host: host.split(":")[0], port, weight });
      } else if (what < 0.6) await client.removeServer(host);
      else {
        const lost = KEYS.find((key) => hasher.getNode(key) === host);
        if (lost !== undefined) {
          const owned = client.explain(lost).servers[0].server;
          down.add(host);
          await outcome(client.get(lost));
          assertEquals(client.explain(lost).servers[0].server, owned);
          assert(hasher.getNode(lost) !== host);
        }
        down.delete(host);
      }
      const before = placed();
      for (let i = 0; i < 20; i++) {
        const key = pick(KEYS);
        const { server, servers } = client.explain(key);
        if (client.servers.length > 1) {
          assertEquals(server, hasher.getNode(key));
        }
        assertEquals(servers.length, client.servers.length);
      }
      assertEquals(placed(), before);
    }
    await client.close();
    await server.close();
  });
}

test("explain() tells where commands go, whatever a hasher of the user's own says of the others", async () => {
  class Odd extends OwnHash {
    getNodes(): string[] {
      return [...this.nodes].sort().reverse();
    }
    override getNode(key: string): string | undefined {
      return key === "none" ? undefined : super.getNode(key);
    }
  }
  const client = new HashClient(["a:1", "b:1", "c:1"], { hasher: new Odd() });
  assertEquals(client.explain("kkk").server, "a:1");
  const { reason, server } = client.explain("none");
  assertEquals([reason, server], ["none", undefined]);
  await client.close();
  // One server needs no ring: nobody asks it.
  const single = new HashClient(["a:1"], { hasher: new Odd() });
  assertEquals(single.explain("none").server, "a:1");
  await single.close();
});

test("explain() leaves no dead server in the ring where the hasher throws", async () => {
  class Full extends OwnHash {
    isFull = false;
    override addNode(name: string): void {
      if (this.isFull && name === "b:1") throw new Error("no more");
      super.addNode(name);
    }
  }
  const hasher = new Full();
  const client = new HashClient(["a:1", "b:1", "c:1"], {
    hasher,
    ...{ retryAttempts: 0, deadTimeout: 600_000 },
    dial: () => Promise.reject(new Error("down")),
  });
  await outcome(client.get("kkk"));
  await outcome(client.get("kkkk"));
  assertEquals(hasher.nodes.length, 1);
  hasher.isFull = true;
  const before = [...hasher.nodes];
  assertThrows(() => client.explain("kkk"), Error, "no more");
  assertEquals(hasher.nodes, before);
  await client.close();
});
