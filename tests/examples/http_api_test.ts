/**
 * The cached HTTP API, on Deno.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { assertEnded, onDeno, type Program } from "./_example.ts";
import { followPage } from "./_page.ts";

const TEA = { id: 1, name: "Tea", price: 3.5 };
const OPTIONS = { ...needsMemcached, timeout: 60_000 };

function put(program: Program, price: unknown): ReturnType<Program["ask"]> {
  const body = JSON.stringify({ price });
  return program.ask("/products/1", { method: "PUT", body });
}

async function queriesOf(program: Program): Promise<unknown> {
  const { status, body } = await program.ask("/health");
  assertEquals(status, 200);
  return (body as { queries?: unknown }).queries;
}

test(
  "http-api asks the database once for all who ask at the same time",
  async () => {
    await withMemcached({}, async ({ server }) => {
      await onDeno("http-api", async (start) => {
        const programs = [
          await start(server),
          await start(server),
        ];
        const answers = await Promise.all(
          Array.from(
            { length: 50 },
            (_, i) => programs[i % 2].ask("/products/1"),
          ),
        );
        for (const { status, body } of answers) {
          assertEquals(status, 200);
          assertEquals(body, TEA);
        }
        const queries = await Promise.all(programs.map(queriesOf));
        assertEquals(queries.sort(), [0, 1]);
      });
    });
  },
  OPTIONS,
);

test(
  "http-api shows a new price at once, and refuses what is none",
  async () => {
    await withMemcached({}, async ({ server }) => {
      await onDeno("http-api", async (start) => {
        const program = await start(server);
        assertEquals((await program.ask("/products/1")).body, TEA);
        assertEquals((await put(program, 4)).body, { ...TEA, price: 4 });
        const { body } = await program.ask("/products/1");
        assertEquals(body, { ...TEA, price: 4 });
        assertEquals((await put(program, "5")).status, 400);
        assertEquals((await put(program, -5)).status, 400);
        const { status } = await program.ask("/products/1", {
          method: "DELETE",
        });
        assertEquals(status, 405);
        assertEquals((await program.ask("/products/one")).status, 404);
        assertEquals((await program.ask("/")).status, 404);
        assertEquals(await queriesOf(program), 3);
      });
    });
  },
  OPTIONS,
);

test("http-api keeps that a product does not exist", async () => {
  await withMemcached({}, async ({ server }) => {
    await onDeno("http-api", async (start) => {
      const program = await start(server);
      for (let i = 0; i < 3; i++) {
        assertEquals((await program.ask("/products/9")).status, 404);
      }
      assertEquals(await queriesOf(program), 1);
    });
  });
}, OPTIONS);

test("http-api answers with what it has while it loads anew", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address, { keyPrefix: "shop:" });
  const old = { ...TEA, price: 3 };
  try {
    await onDeno("http-api", async (start) => {
      const program = await start(server.address);
      assertEquals((await program.ask("/products/1")).body, TEA);
      // The last seconds of the ttl, and those after it.
      for (const [seconds, queries] of [[52, 2], [75, 3]]) {
        await client.set("product:1", old, { ttl: 60 + 30 });
        server.advance(seconds);
        const stored = server.nextRequest(({ command }) => command === "ms");
        assertEquals((await program.ask("/products/1")).body, old);
        await stored;
        assertEquals((await program.ask("/products/1")).body, TEA);
        assertEquals(await queriesOf(program), queries);
      }
    });
  } finally {
    await client.close();
    await server.close();
  }
}, { timeout: 60_000 });

test("http-api answers from the database while memcached is down", async () => {
  await withMemcached({}, async (memcached) => {
    await onDeno("http-api", async (start) => {
      const program = await start(memcached.server);
      await program.ask("/products/1");
      await memcached.kill();
      const asked = Array.from(
        { length: 10 },
        () => program.ask("/products/1"),
      );
      for (const { status, body } of await Promise.all(asked)) {
        assertEquals(status, 200);
        assertEquals(body, TEA);
      }
      // Also then one load is for all who wait.
      const queries = await queriesOf(program);
      assert(typeof queries === "number" && queries > 1 && queries < 11);
      assertEquals((await put(program, 4)).status, 200);
      assertEquals(
        (await program.ask("/products/1")).body,
        { ...TEA, price: 4 },
      );
      const { body } = await program.ask("/health");
      assertEquals((body as { memcached: string }).memcached, "down");
      assertMatch(program.output, /^cache: ERR_\w+ 127\.0\.0\.1:\d+$/m);
    });
  });
}, OPTIONS);

test("http-api answers what it was asked when it is told to end", async () => {
  const server = await MemcachedServer.start();
  try {
    await onDeno("http-api", async (start) => {
      const program = await start(server.address);
      // The lease: from then on it loads.
      const asked = server.nextRequest(({ command }) => command === "ms");
      const answer = program.ask("/products/1");
      await asked;
      const [end, { status, body }] = await Promise.all([
        program.stop(),
        answer,
      ]);
      assertEquals(status, 200);
      assertEquals(body, TEA);
      assertEnded(end, program.output);
    });
  } finally {
    await server.close();
  }
}, { timeout: 60_000 });

test("http-api does what its page says", async () => {
  await withMemcached({}, async ({ server }) => {
    await onDeno("http-api", async (start) => {
      await followPage("http-api", await start(server));
    });
  });
}, OPTIONS);
