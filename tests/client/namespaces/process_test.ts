/**
 * Namespaces of several processes: this file is also the program that the tests
 * run.
 */
import { assertEquals } from "@std/assert";
import { Client, type Namespace } from "@x/memcache";
import { needsMemcached, withMemcached } from "../../_memcached.ts";
import { test } from "../../_runtime.ts";
import { play, played } from "../../connection/_child.ts";

/** Does something with the namespace `n:` of a client of its own. */
async function within(
  address: string,
  act: (space: Namespace) => Promise<unknown>,
): Promise<unknown> {
  const client = new Client(address, { timeout: 8000 });
  try {
    return await act(client.namespace("n:"));
  } finally {
    await client.close();
  }
}

const ROLES: Record<string, (address: string) => Promise<unknown>> = {
  "invalidates": (address) =>
    within(address, async (space) => {
      await space.invalidateAll();
      return "done";
    }),
  "reads": (address) =>
    within(address, async (space) => await space.get("k") ?? "nothing"),
  "stores": (address) =>
    within(address, (space) => space.set("k", "from a child")),
};

if (!await played(ROLES)) {
  test(
    "invalidateAll() in another process is seen by the very next call",
    async () => {
      await withMemcached({}, async ({ server }) => {
        const client = new Client(server, { timeout: 8000 });
        const space = client.namespace("n:");
        const child = async (role: string): Promise<unknown> =>
          JSON.parse(
            (await play(import.meta.url, { role, address: server })).output,
          );
        await space.set("k", "from the parent");
        assertEquals(await child("reads"), "from the parent");
        assertEquals(await child("invalidates"), "done");
        assertEquals(await space.get("k"), undefined);
        assertEquals(await child("stores"), true);
        assertEquals(await space.get("k"), "from a child");
        await space.invalidateAll();
        assertEquals(await child("reads"), "nothing");
        await client.close();
      });
    },
    { ...needsMemcached, timeout: 30_000 },
  );
}
