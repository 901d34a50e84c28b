/**
 * The middleware that keeps responses, under a real Hono.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Context, Hono } from "hono";
import { Client } from "@x/memcache";
import { cacheResponses, type CacheResponsesOptions } from "@x/memcache/hono";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";

interface Setup {
  readonly server: MemcachedServer;
  readonly client: Client;
  /** Asks for the page; its body counts how often it was made. */
  readonly ask: (
    init?: RequestInit & { path?: string },
  ) => Promise<{ status: number; text: string; headers: Headers }>;
}

/** A program whose every page is made by `page`. */
async function withPage(
  options: CacheResponsesOptions,
  page: (c: Context, n: number) => Response | Promise<Response>,
  fn: (setup: Setup) => Promise<void>,
): Promise<void> {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  let made = 0;
  const app = new Hono();
  app.use(cacheResponses(client, options));
  app.all("*", (c) => page(c, ++made));
  app.onError((error, c) => c.text(error.message, 500));
  try {
    await fn({
      server,
      client,
      ask: async ({ path = "/page", ...init } = {}) => {
        const response = await app.request(path, init);
        const { status, headers } = response;
        return { status, headers, text: await response.text() };
      },
    });
  } finally {
    await client.close();
    await server.close();
  }
}

test("cacheResponses() makes a page once, and answers with it", async () => {
  await withPage(
    {},
    (c, n) => c.json({ n }, 200, { "x-own": "a" }),
    async ({ client, ask }) => {
      const first = await ask();
      const second = await ask();
      for (const { status, text, headers } of [first, second]) {
        assertEquals([status, text], [200, '{"n":1}']);
        assertEquals(headers.get("content-type"), "application/json");
        assertEquals(headers.get("x-own"), "a");
        assertEquals(headers.get("etag"), first.headers.get("etag"));
        assertEquals(headers.get("age"), "0");
      }
      assertEquals((await ask({ path: "/page?q" })).text, '{"n":2}');
      assertEquals((await ask({ path: `/${"x".repeat(9000)}` })).status, 200);
      const keys = [];
      for await (const { key, ttl } of client.keys()) {
        assert(ttl > 55 && ttl <= 60);
        keys.push(key);
      }
      assertEquals(keys.length, 3);
      assert(keys.every((key) => /^http:[0-9a-f]{64}$/.test(String(key))));
    },
  );
});

test("cacheResponses() makes a page once for all who ask together", async () => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  await withPage({}, async (c, n) => {
    await gate;
    return c.text(`${n}`);
  }, async ({ ask }) => {
    const pages = Promise.all(Array.from({ length: 20 }, () => ask()));
    open();
    const texts = (await pages).map(({ text }) => text);
    assertEquals([...new Set(texts)], ["1"]);
  });
});

test("cacheResponses() answers 304 to those who have the page", async () => {
  await withPage({}, (c) => c.text("text"), async ({ ask }) => {
    const etag = (await ask()).headers.get("etag") ?? "";
    for (const asked of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
      const { status, text, headers } = await ask({
        headers: { "if-none-match": asked },
      });
      assertEquals([status, text], [304, ""], asked);
      assertEquals(headers.get("etag"), etag);
      assertEquals(headers.get("content-type"), null);
    }
    const other = await ask({ headers: { "if-none-match": '"x"' } });
    assertEquals([other.status, other.text], [200, "text"]);
  });
});

test("cacheResponses() keeps an ETag of the page, and answers HEAD", async () => {
  await withPage(
    {},
    (c, n) => c.text(`${n}`, 200, { etag: 'W/"own"' }),
    async ({ ask }) => {
      assertEquals((await ask({ method: "HEAD" })).status, 200);
      assertEquals((await ask()).text, "2");
      const head = await ask({ method: "HEAD" });
      assertEquals(head.text, "");
      assertEquals(head.headers.get("etag"), 'W/"own"');
      assertEquals(head.headers.get("age"), "0");
      assertEquals((await ask()).text, "2");
    },
  );
});

type Case = readonly [name: string, response: ResponseInit];

const UNKEPT: readonly Case[] = [
  ["a cookie", { headers: { "set-cookie": "a=1" } }],
  ["no-store", { headers: { "cache-control": "no-store" } }],
  ["private", { headers: { "cache-control": "max-age=999, private" } }],
  ["no-cache", { headers: { "cache-control": "No-Cache" } }],
  ["a shorter time", { headers: { "cache-control": "public, max-age=59" } }],
  ["a shorter shared time", {
    headers: { "cache-control": "max-age=99, s-maxage=1" },
  }],
  ["a Vary that is not listed", {
    headers: { vary: "Accept-Language, Accept" },
  }],
  ["any Vary", { headers: { vary: "*" } }],
  ["an event stream", { headers: { "content-type": "text/event-stream" } }],
  ["an error of the client", { status: 404 }],
  ["an error of the server", { status: 500 }],
  ["a part", { status: 206 }],
];

for (const [name, init] of UNKEPT) {
  test(`cacheResponses() does not keep a response with ${name}`, async () => {
    await withPage(
      { vary: ["accept-language"] },
      (_, n) => new Response(`${n}`, init),
      async ({ ask }) => {
        assertEquals((await ask()).text, "1");
        assertEquals((await ask()).text, "2");
        assertEquals((await ask()).status, init.status ?? 200);
      },
    );
  });
}

const KEPT: readonly Case[] = [
  ["a longer time", { headers: { "cache-control": "public, max-age=60" } }],
  ["a longer shared time", {
    headers: { "cache-control": "max-age=1, s-maxage=60" },
  }],
  ["a Vary that is listed", { headers: { vary: "Accept-Language" } }],
];

for (const [name, init] of KEPT) {
  test(`cacheResponses() keeps a response with ${name}`, async () => {
    await withPage(
      { vary: ["Accept-Language"] },
      (_, n) => new Response(`${n}`, init),
      async ({ ask }) => {
        const en = { headers: { "accept-language": "en" } };
        assertEquals((await ask(en)).text, "1");
        assertEquals((await ask()).text, "2");
        assertEquals((await ask(en)).text, "1");
      },
    );
  });
}

const PASSED: readonly (readonly [string, RequestInit])[] = [
  ["POST", { method: "POST" }],
  ["DELETE", { method: "DELETE" }],
  ["Authorization", { headers: { authorization: "Basic eDp5" } }],
  ["Cookie", { headers: { cookie: "a=1" } }],
  ["Range", { headers: { range: "bytes=0-1" } }],
  ["no-store", { headers: { "cache-control": "no-store" } }],
];

for (const [name, init] of PASSED) {
  test(`cacheResponses() lets requests with ${name} go by`, async () => {
    await withPage({}, (c, n) => c.text(`${n}`), async ({ ask }) => {
      assertEquals((await ask()).text, "1");
      assertEquals((await ask(init)).text, "2");
      assertEquals((await ask()).text, "1");
    });
  });
}

test("cacheResponses() takes credentials where it is told to", async () => {
  const options = { authorized: true, ignoreCookies: true };
  await withPage(options, (c, n) => c.text(`${n}`), async ({ ask }) => {
    const as = (authorization: string) => ask({ headers: { authorization } });
    assertEquals((await as("a")).text, "1");
    assertEquals((await as("b")).text, "2");
    assertEquals((await as("a")).text, "1");
    assertEquals((await ask({ headers: { cookie: "a" } })).text, "3");
    assertEquals((await ask({ headers: { cookie: "b" } })).text, "3");
  });
});

test("cacheResponses() keeps no body that is too large", async () => {
  const page = (size: number) => (_: Context, n: number) =>
    new Response(new Blob([`${n}`.repeat(size)]).stream());
  await withPage({ maxBytes: 100 }, page(101), async ({ ask }) => {
    assertEquals((await ask()).text, "1".repeat(101));
    assertEquals((await ask()).text, "2".repeat(101));
  });
  await withPage({ maxBytes: 100 }, page(100), async ({ ask }) => {
    assertEquals((await ask()).text, "1".repeat(100));
    assertEquals((await ask()).text, "1".repeat(100));
  });
});

test("cacheResponses() gives the old page while one makes the new", async () => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  let begun = () => {};
  const making = new Promise<void>((resolve) => begun = resolve);
  await withPage({ ttl: 1, staleFor: 600 }, async (c, n) => {
    if (n === 2) {
      begun();
      await gate;
    }
    return c.text(`${n}`);
  }, async ({ client, ask }) => {
    assertEquals((await ask()).text, "1");
    for await (const { key } of client.keys()) {
      // Its ttl is over, and 500 of the 600 seconds are left.
      await client.touch(String(key), 500);
    }
    const renewed = ask();
    await making;
    assertEquals((await ask()).text, "1");
    open();
    assertEquals((await renewed).text, "2");
    assertEquals((await ask()).text, "2");
  });
});

test("cacheResponses() breaks no page when the server is down", async () => {
  await withPage({}, (c, n) => c.text(`${n}`), async ({ server, ask }) => {
    await server.close();
    assertEquals((await ask()).text, "1");
    assertEquals((await ask()).text, "2");
    assertEquals((await ask({ method: "HEAD" })).status, 200);
  });
});

test("cacheResponses() makes the page where no response is kept", async () => {
  await withPage({}, (c, n) => c.text(`${n}`), async ({ client, ask }) => {
    await ask();
    for (const value of ["text", new Uint8Array([1, 2]), { a: 1 }]) {
      for await (const { key } of client.keys()) {
        await client.set(String(key), value);
      }
      assertEquals((await ask()).status, 200);
    }
    assertEquals((await ask()).text, "5");
  });
});

test("cacheResponses() hands on what the page throws", async () => {
  await withPage({}, () => {
    throw new Error("Out of order");
  }, async ({ ask }) => {
    const { status, text } = await ask();
    assertEquals([status, text], [500, "Out of order"]);
    assertEquals((await ask()).status, 500);
  });
});

test("cacheResponses() refuses numbers that it cannot use", async () => {
  const client = new Client();
  for (const name of ["ttl", "staleFor", "passFor", "maxBytes"]) {
    for (const value of [-1, 0.5, NaN, Infinity, "60", 1e9]) {
      const make = () => cacheResponses(client, { [name]: value });
      assertThrows(make, RangeError, `Cannot use ${name}: ${value}`);
    }
  }
  await client.close();
});
