/**
 * The middleware that keeps responses, under a real Hono.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Context, Hono } from "hono";
import { compress } from "hono/compress";
import { etag as etags } from "hono/etag";
import { Client, MemcacheIllegalInputError } from "@x/memcache";
import { cacheResponses } from "@x/memcache/hono";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { withPage } from "./_hono.ts";

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
      }
      // The first is no answer of a cache.
      assertEquals(first.headers.get("age"), null);
      assertEquals(second.headers.get("age"), "0");
      const date = Date.parse(second.headers.get("date") ?? "");
      assert(Math.abs(date - Date.now()) < 60_000);
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
    assert(/^W\/"[0-9a-f]{32}"$/.test(etag), etag);
    const strong = etag.slice(2);
    for (const asked of [etag, strong, `"x", "y,${strong}", ${etag}`, "*"]) {
      const { status, text, headers } = await ask({
        headers: { "if-none-match": asked },
      });
      assertEquals([status, text], [304, ""], asked);
      assertEquals(headers.get("etag"), etag);
      assertEquals(headers.get("content-type"), null);
    }
    for (const other of ['"x"', `"${strong}`, "x", ""]) {
      const headers = { "if-none-match": other };
      const { status, text } = await ask({ headers });
      assertEquals([status, text], [200, "text"], other);
    }
  });
});

const MODIFIED = "Sat, 21 Nov 2026 10:00:00 GMT";
const BEFORE = "Sat, 21 Nov 2026 09:59:59 GMT";

test("cacheResponses() answers 304 to those whose page is as new", async () => {
  await withPage(
    {},
    (c) => c.text("text", 200, { "last-modified": MODIFIED, etag: '"a,b"' }),
    async ({ ask }) => {
      const answers: Array<readonly [number, Record<string, string>]> = [
        [304, { "if-modified-since": MODIFIED }],
        [200, { "if-modified-since": BEFORE }],
        [200, { "if-modified-since": "yesterday" }],
        // The ETag has the last word, whatever the date says.
        [200, { "if-modified-since": MODIFIED, "if-none-match": '"b"' }],
        [304, { "if-modified-since": BEFORE, "if-none-match": '"a,b"' }],
      ];
      for (const [expected, headers] of [...answers, ...answers]) {
        const { status, text } = await ask({ headers });
        const what = JSON.stringify(headers);
        assertEquals([status, text], [
          expected,
          expected === 200 ? "text" : "",
        ], what);
      }
    },
  );
});

test("cacheResponses() keeps a page that was asked for on a condition", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  let made = 0;
  const app = new Hono();
  app.use(cacheResponses(client));
  // Behind the cache: this one would answer 304, which is not kept.
  app.use(etags());
  app.get("/kept", (c) => {
    made++;
    return c.text(c.req.header("if-none-match") ?? "none");
  });
  app.get("/unkept", (c) => {
    return c.text("text", 200, { "cache-control": "private" });
  });
  try {
    const etag = (await app.request("/kept")).headers.get("etag") ?? "";
    await client.flushAll();
    const headers = { "if-none-match": etag };
    assertEquals((await app.request("/kept", { headers })).status, 304);
    const response = await app.request("/kept");
    assertEquals([response.status, await response.text()], [200, "none"]);
    assertEquals(made, 2);
    // What is not kept has not seen the condition, and is compared here.
    const own = (await app.request("/unkept")).headers.get("etag") ?? "";
    await client.flushAll();
    for (let i = 0; i < 2; i++) {
      const response = await app.request("/unkept", {
        headers: { "if-none-match": own },
      });
      assertEquals([response.status, await response.text()], [304, ""]);
      assertEquals(response.headers.get("cache-control"), "private");
    }
  } finally {
    await client.close();
    await server.close();
  }
});

test("cacheResponses() goes with Hono's compress(), before and behind", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  const text = "text ".repeat(1000);
  const gzip = { headers: { "accept-encoding": "gzip" } };
  try {
    for (const isOuter of [true, false]) {
      await client.flushAll();
      let made = 0;
      const app = new Hono();
      const middleware = [compress(), cacheResponses(client)];
      if (!isOuter) middleware.reverse();
      for (const one of middleware) app.use(one);
      app.get("/", (c) => {
        made++;
        return c.html(text);
      });
      for (const init of [gzip, {}, gzip, {}]) {
        const response = await app.request("/", init);
        const encoding = "headers" in init ? "gzip" : null;
        assertEquals(response.headers.get("content-encoding"), encoding);
        const body = encoding === null
          ? response.body
          : response.body?.pipeThrough(new DecompressionStream("gzip"));
        assertEquals(await new Response(body).text(), text);
      }
      // What is encoded for one client is not kept for all.
      if (isOuter) assertEquals(made, 1);
      else assert(made >= 3, `${made}`);
    }
  } finally {
    await client.close();
    await server.close();
  }
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
      assertEquals(head.headers.get("content-length"), "1");
      assertEquals(head.headers.get("age"), "0");
      assertEquals((await ask()).text, "2");
    },
  );
});

type Case = readonly [name: string, response: ResponseInit];

/** A date, as headers have it. */
function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toUTCString();
}

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
  ["an end that is near", { headers: { expires: inSeconds(50) } }],
  ["an end that is no date", { headers: { expires: "0" } }],
  ["a time that is spent", {
    headers: { "cache-control": "max-age=100", age: "41" },
  }],
  ["an encoding", { headers: { "content-encoding": "br" } }],
  ["trailers", { headers: { trailer: "x-sum" } }],
  ["another length than it says", { headers: { "content-length": "2" } }],
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
  ["an end that is far", { headers: { expires: inSeconds(90) } }],
  ["an end before which another goes", {
    headers: { expires: "0", "cache-control": "max-age=60" },
  }],
  ["time left", { headers: { "cache-control": "max-age=100", age: "40" } }],
  ["no more than it says", {
    headers: { "cache-control": "max-age=60, must-revalidate" },
  }],
  ["its own encoding", { headers: { "content-encoding": "identity" } }],
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
  ["If-Match", { headers: { "if-match": '"x"' } }],
  ["If-Unmodified-Since", { headers: { "if-unmodified-since": MODIFIED } }],
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

for (
  const [name, value] of [
    ["cache-control", "no-cache"],
    ["cache-control", "max-age=0"],
    ["pragma", "no-cache"],
  ]
) {
  test(`cacheResponses() answers requests with ${name}: ${value}`, async () => {
    await withPage({}, (c, n) => c.text(`${n}`), async ({ ask }) => {
      assertEquals((await ask()).text, "1");
      const headers = { [name]: value };
      assertEquals((await ask({ headers })).text, "1");
    });
  });
}

test("cacheResponses() adds the time elsewhere to the Age", async () => {
  const own = { age: "20", date: "Sat, 21 Nov 2026 10:00:00 GMT" };
  await withPage(
    {},
    (c, n) => c.text(`${n}`, 200, { ...own, connection: "x-hop", "x-hop": "" }),
    async ({ ask }) => {
      for (let i = 0; i < 2; i++) {
        const { text, headers } = await ask();
        assert(headers.get("content-type")?.startsWith("text/plain"));
        const { age, date } = Object.fromEntries(headers);
        assertEquals([text, date], ["1", own.date]);
        assert(["20", "21", "22"].includes(age), age);
        assertEquals(headers.has("x-hop"), false);
      }
    },
  );
});

test("cacheResponses() keeps nothing that may not be old, to be old", async () => {
  const page = (age: number) => (c: Context, n: number) =>
    c.text(`${n}`, 200, { "cache-control": `max-age=${age}, must-revalidate` });
  await withPage({ staleFor: 30 }, page(89), async ({ ask }) => {
    assertEquals((await ask()).text, "1");
    assertEquals((await ask()).text, "2");
  });
  await withPage({ staleFor: 30 }, page(90), async ({ ask }) => {
    assertEquals((await ask()).text, "1");
    assertEquals((await ask()).text, "1");
  });
});

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

test("cacheResponses() keeps the type of a plain text", async () => {
  await withPage({}, (c) => c.text("text"), async ({ ask }) => {
    await ask();
    const { headers } = await ask();
    assertEquals(headers.get("age"), "0");
    assertEquals(
      headers.get("content-type")?.toLowerCase(),
      "text/plain;charset=utf-8",
    );
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

test("cacheResponses() keeps the old page when the new one fails", async () => {
  const page = (c: Context, n: number) => {
    return n < 4 && n > 1 ? c.text(`${n}`, 503) : c.text(`${n}`);
  };
  await withPage({ ttl: 1, staleFor: 600 }, page, async ({ client, ask }) => {
    assertEquals((await ask()).text, "1");
    for await (const { key } of client.keys()) {
      await client.touch(String(key), 500);
    }
    // One request at a time tries, and is told of what it has got.
    for (const n of ["2", "3"]) {
      const { status, text } = await ask();
      assertEquals([status, text], [503, n]);
    }
    assertEquals((await ask()).text, "4");
    assertEquals((await ask()).text, "4");
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

test("cacheResponses() refuses what it cannot use", async () => {
  const client = new Client();
  const values: Record<string, unknown[]> = {
    vary: ["Accept", ["*"], ["a b"], [""], [1], {}],
    authorized: [1, "true", null],
    ignoreCookies: [0, "false"],
    prefix: ["a b", "é", "x".repeat(187), 1, "a\n"],
  };
  for (const name of ["ttl", "staleFor", "passFor", "maxBytes"]) {
    values[name] = [-1, 0.5, NaN, Infinity, "60", 1e9, 1n, null];
  }
  for (const [name, wrong] of Object.entries(values)) {
    for (const value of wrong) {
      const make = () => cacheResponses(client, { [name]: value });
      const wanted = `Cannot use option ${name}: `;
      assertThrows(make, MemcacheIllegalInputError, wanted);
    }
  }
  for (const none of [undefined, null, {}, "localhost"]) {
    assertThrows(
      () => cacheResponses(none as never),
      MemcacheIllegalInputError,
      "Cannot use option client: ",
    );
  }
  await client.close();
});
