/**
 * What the middleware for Express keeps, and what it lets go by: encoded pages,
 * what depends on requests, sessions.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import compression from "compression";
import session from "express-session";
import { Client, MemcacheIllegalInputError } from "@x/memcache";
import { cacheResponses } from "@x/memcache/express";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import {
  type App,
  type AskOptions,
  EXPRESSES,
  type Handler,
  type Next,
  type Request,
  type Response,
  Signal,
  withApp,
  withProgram,
  withServer,
} from "./_web.ts";

const [[, express5]] = EXPRESSES;
/** No part of it is like another. */
const TEXT = Array.from({ length: 1000 }, (_, i) => `${1000 + i} `).join("");

test(
  "cacheResponses() keeps encoded pages for those who can read them",
  async () => {
    let made = 0;
    await withProgram({
      express: express5,
      options: { vary: ["Accept-Encoding"] },
    }, (app) => {
      app.use(compression({ threshold: 0 }));
      app.get("/", (_, response) => {
        made++;
        response.send(TEXT);
      });
    }, async ({ ask }) => {
      for (const encoding of ["gzip", "identity", "gzip", "identity"]) {
        const headers = { "accept-encoding": encoding };
        const answer = await ask("/", { headers });
        const isZipped = answer.headers["content-encoding"] === "gzip";
        assertEquals(isZipped, encoding === "gzip");
        const { bytes } = answer;
        const plain = isZipped ? gunzipSync(bytes) : bytes;
        assertEquals(new TextDecoder().decode(plain), TEXT);
      }
      assertEquals(made, 2);
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() survives those who hang up on what is not kept",
  async () => {
    let closed = new Signal();
    const reached = new Signal();
    await withProgram(
      { express: express5, options: { maxBytes: 10 } },
      (app) => {
        app.get("/large", (_, response) => {
          response.once("close", closed.set);
          response.write("begun".repeat(10));
        });
        app.get("/private", (_, response) => {
          response.once("close", closed.set);
          response.set({ "cache-control": "private" }).write("begun");
        });
        app.get("/silent", (_, response) => {
          response.once("close", closed.set);
          reached.set();
        });
        app.get("/", (_, response) => response.send("text"));
      },
      async ({ ask, send }) => {
        for (const page of ["/large", "/private"]) {
          const one = send(page);
          await one.received(5);
          one.abort();
          await closed.done;
          closed = new Signal();
        }
        const silent = send("/silent");
        await reached.done;
        silent.abort();
        await closed.done;
        assertEquals((await ask()).text, "text");
      },
    );
  },
  needsMemcached,
);

test(
  "cacheResponses() leaves it to Express to refuse what is no body",
  async () => {
    const routes = (app: App): void => {
      app.get("/end", (_, response) => response.end(1));
      app.get("/write", (_, response) => response.write({}));
      app.get("/null", (_, response) => response.write(null));
    };
    await withProgram({ express: express5 }, routes, async ({ ask }) => {
      for (const page of ["/end", "/write", "/null"]) {
        for (let i = 0; i < 2; i++) {
          const { status, headers } = await ask(page);
          assertEquals([page, status, headers.age], [page, 500, undefined]);
        }
      }
    });
  },
  // Bun writes the head before it looks at a body: it hangs up.
  { ...needsMemcached, runtimes: ["deno", "node"] },
);

test(
  "cacheResponses() gives who makes a page what is written, at once",
  async () => {
    const open = new Signal();
    await withProgram({ express: express5 }, (app) => {
      app.get("/kept", async (_, response) => {
        response.write("begun");
        await open.done;
        response.end(", and done");
      });
      app.get("/flushed", async (_, response) => {
        response.flushHeaders();
        await open.done;
        response.end("text");
      });
      app.get("/events", async (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write("data: 1\n\n");
        await open.done;
        response.end();
      });
    }, async ({ send, ask }) => {
      const kept = send("/kept");
      assertEquals(await kept.received(5), "begun");
      const flushed = send("/flushed");
      await flushed.begun;
      // Nobody waits for events that others get.
      const events = [send("/events"), send("/events")];
      for (const one of events) {
        assertEquals(await one.received(9), "data: 1\n\n");
      }
      const other = send("/kept").answer;
      open.set();
      assertEquals((await kept.answer).text, "begun, and done");
      assertEquals((await other).text, "begun, and done");
      assertEquals((await flushed.answer).text, "text");
      assertEquals((await ask("/flushed")).headers.age, "0");
      for (const one of events) {
        await one.answer;
      }
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() does not wait for a client that reads slowly",
  async () => {
    const size = 16_000_000;
    const begun = new Signal();
    const open = new Signal();
    const setup = {
      express: express5,
      options: { maxBytes: size },
      client: { timeout: 20_000 },
    };
    let made = 0;
    // A server that takes it whole.
    const args = ["-I", "32m", "-m", "256"];
    await withMemcached(
      { args },
      (memcached) =>
        withApp(memcached, setup, (app) => {
          app.get("/", async (_, response) => {
            made++;
            begun.set();
            await open.done;
            // Pieces, each when there is room for it.
            Readable.from(Array(size / 50_000).fill(Buffer.alloc(50_000, 1)))
              .pipe(response);
          });
        }, async ({ port, send }) => {
          // It never reads: more than its socket takes is stuck.
          const slow = connect(port, "127.0.0.1");
          slow.pause();
          slow.write(`GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`);
          await begun.done;
          const other = send("/");
          open.set();
          const { bytes, headers } = await other.answer;
          assertEquals([bytes.length, made], [size, 1]);
          assert(headers.age !== undefined);
          slow.destroy();
        }),
    );
  },
  { ...needsMemcached, timeout: 30_000 },
);

const UNKEPT: Readonly<Record<string, Record<string, string>>> = {
  "a cookie": { "set-cookie": "a=1" },
  "private": { "cache-control": "private" },
  "a shorter time": { "cache-control": "max-age=59" },
  "a Vary that is not listed": { vary: "Accept" },
  "an end that has passed": { expires: "0" },
  "an encoding": { "content-encoding": "br" },
};

test(
  "cacheResponses() keeps what may be kept of Express, and no more",
  async (t) => {
    let made = 0;
    await withProgram({ express: express5 }, (app) => {
      app.get("/set/:name", (request, response) => {
        const [, , name] = decodeURIComponent(request.url).split("/");
        response.set(UNKEPT[name]).send(`${++made}`);
      });
      app.get("/head/:name", (request, response) => {
        const [, , name] = decodeURIComponent(request.url).split("/");
        response.writeHead(200, UNKEPT[name]);
        response.end(`${++made}`);
      });
      app.get(
        "/status",
        (_, response) => response.status(203).send(`${++made}`),
      );
    }, async ({ ask }) => {
      for (const [name, headers] of Object.entries(UNKEPT)) {
        await t.step(name, async () => {
          for (const way of ["set", "head"]) {
            made = 0;
            for (const n of ["1", "2"]) {
              const path = `/${way}/${encodeURIComponent(name)}`;
              const answer = await ask(path);
              assertEquals(answer.text, n);
              for (const [name, value] of Object.entries(headers)) {
                assertEquals(String(answer.headers[name]), value);
              }
            }
          }
        });
      }
      made = 0;
      assertEquals((await ask("/status")).text, "1");
      assertEquals((await ask("/status")).text, "2");
    });
  },
  needsMemcached,
);

const PASSED: Readonly<Record<string, AskOptions>> = {
  "POST": { method: "POST" },
  "Authorization": { headers: { authorization: "Basic eDp5" } },
  "Cookie": { headers: { cookie: "a=1" } },
  "no-store": { headers: { "cache-control": "no-store" } },
};

test("cacheResponses() lets requests of Express go by", async (t) => {
  let made = 0;
  await withProgram({ express: express5 }, (app) => {
    app.use((_: Request, response: Response) => response.send(`${++made}`));
  }, async ({ ask }) => {
    assertEquals((await ask()).text, "1");
    for (const [name, asked] of Object.entries(PASSED)) {
      await t.step(name, async () => {
        made = 1;
        assertEquals((await ask("/", asked)).text, "2");
        assertEquals((await ask()).text, "1");
      });
    }
  });
}, needsMemcached);

test(
  "cacheResponses() keeps a page of Express for each host, path and header",
  async () => {
    let made = 0;
    const page: Handler = (_, response) => response.send(`${++made}`);
    await withProgram({
      express: express5,
      options: { vary: ["Accept-Language"] },
      before: (app) => {
        app.set("trust proxy", true);
        app.use((request: Request, _: Response, next: Next) => {
          if (request.headers["user-agent"] === "phone") request.url = "/phone";
          next();
        });
      },
    }, (app) => {
      app.get("/", page);
      app.get("/phone", page);
    }, async ({ ask }) => {
      const requests: AskOptions[] = [
        {},
        { headers: { host: "example.com" } },
        { headers: { "x-forwarded-host": "example.com" } },
        { headers: { "x-forwarded-proto": "https" } },
        { headers: { "user-agent": "phone" } },
        { headers: { "accept-language": "en" } },
        { headers: { "accept-language": "de" } },
      ];
      for (const _ of [1, 2]) {
        for (const [i, options] of requests.entries()) {
          assertEquals((await ask("/", options)).text, `${i + 1}`);
        }
      }
      assertEquals((await ask("/?q")).text, "8");
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() serves a part of a program, and Express's routers",
  async () => {
    let made = 0;
    await withMemcached({}, async (memcached) => {
      const client = new Client(memcached.server);
      const app = express5();
      app.use("/kept", cacheResponses(client));
      app.get(/.*/, (_, response) => response.send(`${++made}`));
      try {
        await withServer(app, async (port) => {
          const ask = async (path: string) =>
            await (await fetch(`http://127.0.0.1:${port}${path}`, {
              headers: { connection: "close" },
            })).text();
          const texts = [];
          for (const path of ["/kept", "/kept/a", "/a", "/kept", "/kept/a"]) {
            texts.push(await ask(path));
          }
          assertEquals(texts, ["1", "2", "3", "1", "2"]);
          assertEquals(await ask("/a"), "4");
        });
      } finally {
        await client.close();
      }
    });
  },
  needsMemcached,
);

test("cacheResponses() keeps no page that a session goes with", async () => {
  const sessions = () =>
    session({ secret: "x", resave: false, saveUninitialized: true });
  for (const isBefore of [true, false]) {
    let made = 0;
    await withProgram({
      express: express5,
      before: (app) => isBefore && app.use(sessions()),
    }, (app) => {
      if (!isBefore) app.use(sessions());
      app.get("/", (_, response) => response.send(`${++made}`));
    }, async ({ ask }) => {
      const [first, second] = [await ask(), await ask()];
      assertEquals([first.text, second.text], ["1", "2"]);
      // Each has a cookie of its own.
      const cookies = [first, second].map(({ headers }) =>
        String(headers["set-cookie"])
      );
      assert(cookies.every((cookie) => cookie.startsWith("connect.sid=")));
      assert(cookies[0] !== cookies[1]);
    });
  }
}, needsMemcached);

test("cacheResponses() refuses what it cannot use for Express", async () => {
  const client = new Client();
  for (const options of [{ ttl: 0 }, { vary: ["*"] }, { prefix: "a b" }]) {
    const [name] = Object.keys(options);
    assertThrows(
      () => cacheResponses(client, options),
      MemcacheIllegalInputError,
      `Cannot use option ${name}: `,
    );
  }
  assertThrows(
    () => cacheResponses(express5() as never),
    MemcacheIllegalInputError,
    "Cannot use option client: ",
  );
  await client.close();
});
