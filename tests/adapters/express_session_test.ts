/**
 * The session store, under a real Express with express-session.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import type { AddressInfo } from "node:net";
import { createServer } from "node:http";
import express from "express";
import session from "express-session";
import {
  Client,
  MemcacheConnectionError,
  MemcacheIllegalInputError,
} from "@x/memcache";
import {
  MemcacheStore,
  type MemcacheStoreOptions,
} from "@x/memcache/express-session";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";

/** What the pages of the test use of a request. */
interface Request {
  readonly sessionID: string;
  readonly session: {
    views?: number;
    readonly cookie: { maxAge: number | null };
    destroy(callback: (error?: unknown) => void): void;
    regenerate(callback: (error?: unknown) => void): void;
    reload(callback: (error?: unknown) => void): void;
  };
}

/** What they use of a response. */
interface Response {
  json(value: unknown): void;
  status(code: number): Response;
}

type Next = (error?: unknown) => void;

interface Setup {
  readonly memcached: MemcachedServer;
  readonly client: Client;
  readonly store: MemcacheStore;
  /** Asks for a page with the cookie of the last answer. */
  readonly ask: (page: string) => Promise<{ status: number; body: unknown }>;
  /** The cookie of the last answer that had one. */
  readonly cookie: () => string;
}

interface Options {
  readonly store?: MemcacheStoreOptions;
  readonly maxAge?: number;
  readonly errorsAsMisses?: boolean;
}

/** Starts a program with sessions, and hands over what asks it. */
async function withProgram(
  { maxAge, errorsAsMisses, store: storeOptions }: Options,
  fn: (setup: Setup) => Promise<void>,
): Promise<void> {
  const memcached = await MemcachedServer.start();
  const client = new Client(memcached.address, {
    errorsAsMisses: errorsAsMisses ?? false,
  });
  const store = new MemcacheStore(session, client, storeOptions);
  const app = express();
  app.use(session({
    store,
    secret: "keyboard cat",
    resave: false,
    saveUninitialized: false,
    cookie: maxAge === undefined ? {} : { maxAge },
  }));
  app.get("/count", (request: Request, response: Response) => {
    request.session.views = (request.session.views ?? 0) + 1;
    response.json({ views: request.session.views, id: request.sessionID });
  });
  app.get("/look", (request: Request, response: Response) => {
    response.json({ views: request.session.views ?? 0 });
  });
  app.get("/out", (request: Request, response: Response, next: Next) => {
    request.session.destroy((error) => error ? next(error) : response.json(1));
  });
  app.get("/new", (request: Request, response: Response, next: Next) => {
    request.session.regenerate((error) => {
      request.session.views = 100;
      error ? next(error) : response.json({ id: request.sessionID });
    });
  });
  app.get("/reload", (request: Request, response: Response, next: Next) => {
    request.session.views = -1;
    request.session.reload((error) =>
      error ? next(error) : response.json({ views: request.session.views })
    );
  });
  app.use((error: unknown, _: Request, response: Response, _next: Next) => {
    response.status(500).json(error instanceof MemcacheConnectionError);
  });
  const server = createServer(app);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  let cookie = "";
  try {
    await fn({
      memcached,
      client,
      store,
      cookie: () => cookie,
      ask: async (page) => {
        const response = await fetch(`http://127.0.0.1:${port}${page}`, {
          headers: { cookie: cookie.split(";")[0], connection: "close" },
        });
        cookie = response.headers.get("set-cookie") ?? cookie;
        return { status: response.status, body: await response.json() };
      },
    });
  } finally {
    await new Promise((done) => server.close(done));
    await client.close();
    await memcached.close();
  }
}

/** What a method with a callback comes to. */
function called<T>(
  fn: (callback: (error: unknown, result?: T) => void) => void,
): Promise<T | undefined> {
  return new Promise((resolve, reject) =>
    fn((error, result) => error ? reject(error) : resolve(result))
  );
}

test("MemcacheStore keeps sessions of Express", async () => {
  await withProgram({}, async ({ client, ask, cookie }) => {
    assertEquals((await ask("/look")).body, { views: 0 });
    assertEquals(cookie(), "");
    const { body } = await ask("/count");
    const { id } = body as { id: string };
    assertEquals(await ask("/count"), {
      status: 200,
      body: { views: 2, id },
    });
    const text = await client.get<string>(`sess:${id}`);
    assertEquals(JSON.parse(text ?? "").views, 2);
    // A cookie that ends with the browser: a day.
    assert((await client.ttl(`sess:${id}`) ?? 0) > 86_390);
    assertEquals((await ask("/reload")).body, { views: 2 });
    const renewed = (await ask("/new")).body as { id: string };
    assert(renewed.id !== id);
    assertEquals(await client.has(`sess:${id}`), false);
    assertEquals((await ask("/look")).body, { views: 100 });
    await ask("/out");
    assertEquals(await client.has(`sess:${renewed.id}`), false);
    assertEquals((await ask("/look")).body, { views: 0 });
  });
});

test("MemcacheStore keeps a session as long as its cookie", async () => {
  await withProgram({ maxAge: 90_500 }, async ({ client, ask, cookie }) => {
    const { body } = await ask("/count");
    const key = `sess:${(body as { id: string }).id}`;
    assert([91, 92].includes(await client.ttl(key) ?? 0));
    assert(cookie().includes("Expires="));
    // A session that has not changed is touched.
    await client.touch(key, 5);
    await ask("/look");
    assert([91, 92].includes(await client.ttl(key) ?? 0));
  });
});

test("MemcacheStore.touch() does nothing with disableTouch", async () => {
  const options = { maxAge: 90_000, store: { disableTouch: true } };
  await withProgram(options, async ({ client, ask }) => {
    const { body } = await ask("/count");
    const key = `sess:${(body as { id: string }).id}`;
    await client.touch(key, 5);
    assertEquals((await ask("/look")).body, { views: 1 });
    assert((await client.ttl(key) ?? 0) <= 5);
  });
});

test("MemcacheStore hands failures to Express", async () => {
  await withProgram({}, async ({ memcached, store, ask }) => {
    await ask("/count");
    await memcached.close();
    assertEquals(await ask("/look"), { status: 500, body: true });
    const cookie = { maxAge: 5 };
    const calls: Array<(done: (error?: unknown) => void) => void> = [
      (done) => store.set("a", { cookie }, done),
      (done) => store.touch("a", { cookie }, done),
      (done) => store.destroy("a", done),
      (done) => store.all(done),
      (done) => store.length(done),
      (done) => store.clear(done),
    ];
    for (const call of calls) {
      const error = await called(call).catch((error) => error);
      assertInstanceOf(error, MemcacheConnectionError);
    }
    // Nobody is told, and nothing is thrown.
    store.set("a", { cookie });
    store.destroy("a");
    await called((done) => store.destroy("a", done)).catch(() => {});
  });
});

test("MemcacheStore goes on without sessions if errors are misses", async () => {
  await withProgram({ errorsAsMisses: true }, async ({ memcached, ask }) => {
    await ask("/count");
    await memcached.close();
    assertEquals(await ask("/look"), { status: 200, body: { views: 0 } });
  });
});

test("MemcacheStore.all(), length() and clear() see its own sessions", async () => {
  const memcached = await MemcachedServer.start();
  const client = new Client(memcached.address);
  const store = new MemcacheStore(session, client, { prefix: "p:", ttl: 60 });
  try {
    await client.set("q:1", "x");
    const cookie = { originalMaxAge: null, maxAge: undefined };
    for (const id of ["a", "b"]) {
      await called((done) => store.set(id, { cookie, id } as never, done));
    }
    assert([59, 60].includes(await client.ttl("p:a") ?? 0));
    const stored = { cookie: { originalMaxAge: null } };
    const sessions: { id: string }[] = await called((done) =>
      store.all(done)
    ) ?? [];
    assertEquals(
      sessions.sort((a, b) => a.id < b.id ? -1 : 1),
      [{ ...stored, id: "a" }, { ...stored, id: "b" }],
    );
    assertEquals(await called((done) => store.length(done)), 2);
    const loaded = await called<{ cookie: { path: string } }>((done) =>
      store.load("a", done)
    );
    assertEquals(loaded?.cookie.path, "/");
    assertEquals(await called((done) => store.load("c", done)), undefined);
    assertEquals(await called((done) => store.get("c", done)), null);
    await called((done) => store.clear(done));
    assertEquals(await called((done) => store.length(done)), 0);
    assertEquals(await client.get("q:1"), "x");
    // An end in the past, as text, is one: nothing is kept.
    const past = { cookie: { expires: new Date(0).toISOString() } };
    await called((done) => store.set("d", past, done));
    assertEquals(await client.has("p:d"), false);
    await client.set("p:e", "no JSON");
    const error = await called((done) => store.get("e", done)).catch((e) => e);
    assertInstanceOf(error, SyntaxError);
  } finally {
    await client.close();
    await memcached.close();
  }
});

test("MemcacheStore refuses what it cannot use", async () => {
  const client = new Client();
  const make = (options: object, of: unknown = client) => () =>
    new MemcacheStore(session, of as Client, options);
  for (
    const options of [
      { ttl: -1 },
      { ttl: 0.5 },
      { ttl: "60" },
      { prefix: 1 },
      { disableTouch: "no" },
    ]
  ) {
    const [name] = Object.keys(options);
    const wanted = `Cannot use option ${name}: `;
    assertThrows(make(options), MemcacheIllegalInputError, wanted);
  }
  assertThrows(make({}, {}), MemcacheIllegalInputError, "option client");
  await client.close();
});
