/** What a real memcached makes of stores without reply over TLS. */
import { assertEquals } from "@std/assert";
import { Client, type MemcacheError } from "@x/memcache";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { pause } from "../connection/_calls.ts";

test(
  "a large store without reply over TLS is known to be done with no more traffic",
  async () => {
    await withMemcached({ transport: "tls" }, async ({ server, options }) => {
      const errors: MemcacheError[] = [];
      const client = new Client(server, {
        ...options,
        timeout: 500,
        onError: (error) => errors.push(error),
      });
      await client.get("warm", { timeout: 5000 });
      // Within a record, over the limit of one, and sent from where they lie.
      for (const size of [900, 16_200, 16_384, 20_000, 40_000, 900_000]) {
        const key = `k${size}`;
        await client.set(key, new Uint8Array(size), { noreply: true });
        // Longer than a server may be silent that owes an answer.
        await pause(700);
        assertEquals(errors, [], `${size} bytes`);
        const value = await client.get<Uint8Array>(key);
        assertEquals(value?.length, size);
      }
      await client.close();
    });
  },
  needsMemcached,
);
