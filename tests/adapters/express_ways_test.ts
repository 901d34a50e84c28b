/**
 * The middleware for Express among others, beside node:http and node:http2, and
 * where clients hang up.
 *
 * @module
 */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
} from "node:http2";
import type { AddressInfo } from "node:net";
import session from "express-session";
import { Hono } from "hono";
import { Client } from "@x/memcache";
import { cacheResponses } from "@x/memcache/express";
import { cacheResponses as cacheHono } from "@x/memcache/hono";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import {
  type AskOptions,
  EXPRESSES,
  type Next,
  type Request,
  type Response,
  send,
  Signal,
  withProgram,
  withServer,
} from "./_web.ts";

const [[, express5]] = EXPRESSES;
const HEADERS = { "content-type": "text/x-own", "x-own": "a" };

test("cacheResponses() lets those before it change a page", async () => {
  let made = 0;
  await withProgram({
    express: express5,
    before: (app) =>
      app.use((_: Request, response: Response, next: Next) => {
        // Gathers all of it, and only then knows how long it is.
        const { write, end } = response;
        const pieces: Uint8Array[] = [];
        const take = (piece: unknown): void => {
          if (piece === undefined || typeof piece === "function") return;
          pieces.push(Buffer.from(piece as string));
        };
        response.write = ((piece: unknown) => {
          take(piece);
          return true;
        }) as typeof write;
        response.end = ((piece: unknown) => {
          take(piece);
          const body = `${Buffer.concat(pieces)}, changed`;
          if (response.statusCode === 304) {
            return end.apply(response, [] as never);
          }
          response.setHeader("content-length", `${body.length}`);
          return end.apply(response, [body] as never);
        }) as typeof end;
        next();
      }),
  }, (app) => {
    app.get("/whole", (_, response) => response.send(`page ${++made}`));
    app.get("/pieces", (_, response) => {
      response.set({ etag: '"own"' }).write("page ");
      response.end(`${++made}`);
    });
  }, async ({ ask, client }) => {
    for (const page of ["/whole", "/pieces"]) {
      for (const headers of [{}, { "if-none-match": '"x"' }]) {
        await client.flushAll();
        made = 0;
        for (const age of [undefined, "0"]) {
          const answer = await ask(page, { headers } as AskOptions);
          assertEquals(answer.text, "page 1, changed");
          assertEquals(answer.headers.age, age);
        }
      }
      const { headers: { etag = "" } } = await ask(page);
      for (let i = 0; i < 2; i++) {
        const headers = { "if-none-match": etag };
        assertEquals((await ask(page, { headers })).status, 304);
      }
    }
  });
}, needsMemcached);

test(
  "cacheResponses() goes with sessions that are saved before the end",
  async () => {
    let made = 0;
    let cookie = "";
    await withProgram({
      express: express5,
      options: { ignoreCookies: true },
      before: (app) => {
        app.use((request: Request, _: Response, next: Next) => {
          // Signed with the secret: this one exists.
          request.headers.cookie = cookie;
          next();
        });
        app.use(
          session({ secret: "x", resave: true, saveUninitialized: false }),
        );
        app.use("/in", (request: Request, response: Response) => {
          Object.assign(Reflect.get(request, "session"), { user: 1 });
          response.send("in");
        });
      },
    }, (app) => {
      app.get("/whole", (_, response) => response.send(`page ${++made}`));
      app.get("/pieces", (_, response) => {
        response.write("page ");
        response.end(`${++made}`);
      });
    }, async ({ ask }) => {
      const { headers } = await ask("/in");
      [cookie] = String(headers["set-cookie"]).split(";");
      for (const page of ["/whole", "/pieces"]) {
        made = 0;
        for (const age of [undefined, "0"]) {
          const answer = await ask(page);
          assertEquals([answer.text, answer.headers.age], ["page 1", age]);
          assertEquals(answer.headers["set-cookie"], undefined);
        }
      }
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() leaves headers to those who were before it",
  async () => {
    let requests = 0;
    await withProgram({
      express: express5,
      before: (app) =>
        app.use((_: Request, response: Response, next: Next) => {
          response.set({
            "x-request": `${++requests}`,
            "x-replaced": "before",
          });
          next();
        }),
    }, (app) => {
      app.get("/", (_, response) => {
        response.set({ "x-replaced": "after" }).send("text");
      });
    }, async ({ ask }) => {
      for (const n of ["1", "2"]) {
        const { headers } = await ask();
        assertEquals([headers["x-request"], headers["x-replaced"]], [
          n,
          "after",
        ]);
      }
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() keeps no page with trailers, nor one cut short",
  async () => {
    let made = 0;
    await withProgram({ express: express5 }, (app) => {
      app.get("/trailers", (_, response) => {
        response.set({ trailer: "x-sum" });
        response.write(`${++made}`);
        response.addTrailers({ "x-sum": "1" });
        response.end();
      });
      app.get("/unnamed", (_, response) => {
        response.write(`${++made}`);
        response.addTrailers({ "x-sum": "1" });
        response.end();
      });
      app.get("/short", (_, response) => {
        made++;
        response.set({ "content-length": "10" }).write("short");
        response.end();
      });
      app.get("/destroyed", (_, response) => {
        made++;
        response.write("begun", () => response.destroy());
      });
    }, async ({ ask }) => {
      for (const n of ["1", "2"]) {
        const { text, trailers } = await ask("/trailers");
        assertEquals([text, trailers["x-sum"]], [n, "1"]);
      }
      assertEquals((await ask("/unnamed")).text, "3");
      assertEquals((await ask("/unnamed")).text, "4");
      for (let i = 0; i < 2; i++) {
        await assertRejects(() => ask("/destroyed"));
        // What comes of it is the runtime's to say, but it is made each time.
        await ask("/short").catch(() => {});
      }
      assertEquals(made, 8);
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() gives the old page of Express while one makes the new",
  async () => {
    const open = new Signal();
    const making = new Signal();
    let made = 0;
    await withProgram({
      express: express5,
      options: { ttl: 1, staleFor: 600 },
    }, (app) => {
      app.get("/", async (_, response) => {
        const n = ++made;
        if (n === 2) {
          making.set();
          await open.done;
        }
        response.send(`${n}`);
      });
    }, async ({ ask, send, client }) => {
      assertEquals((await ask()).text, "1");
      for await (const { key } of client.keys()) {
        // Its ttl is over, and 500 of the 600 seconds are left.
        await client.touch(String(key), 500);
      }
      const renewed = send("/").answer;
      await making.done;
      const others = Array.from({ length: 5 }, () => send("/").answer);
      for (const { text } of await Promise.all(others)) assertEquals(text, "1");
      open.set();
      assertEquals((await renewed).text, "2");
      assertEquals((await ask()).text, "2");
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() keeps the old page of Express when the new fails",
  async () => {
    const told = new Signal();
    let made = 0;
    await withProgram({
      express: express5,
      options: { ttl: 1, staleFor: 600 },
      client: {
        onError: ({ code }) => code === "ERR_LOAD_FAILED" && told.set(),
      },
    }, (app) => {
      app.get("/", (_, response) => {
        response.status(++made === 2 ? 503 : 200).send(`${made}`);
      });
    }, async ({ ask, client }) => {
      assertEquals((await ask()).text, "1");
      for await (const { key } of client.keys()) {
        await client.touch(String(key), 500);
      }
      // One request is told, and another one tries again.
      const failed = await ask();
      assertEquals([failed.status, failed.text], [503, "2"]);
      await told.done;
      assertEquals((await ask()).text, "3");
      assertEquals((await ask()).text, "3");
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() breaks no page of Express when the cache is down",
  async () => {
    let made = 0;
    let dies = (): Promise<void> => Promise.resolve();
    await withProgram({
      express: express5,
      client: { timeout: 50 },
    }, (app) => {
      app.get("/", (_, response) => response.send(`${++made}`));
      app.get("/dying", async (_, response) => {
        await dies();
        response.send("made");
      });
    }, async ({ ask, send, memcached, client }) => {
      memcached.pause();
      assertEquals((await ask()).text, "1");
      memcached.resume();
      dies = () => memcached.kill();
      // One that dies while a page is made: the others make their own.
      const pages = [send("/dying"), send("/dying"), send("/dying")];
      for (const { answer } of pages) assertEquals((await answer).text, "made");
      assertEquals((await ask()).text, "2");
      assertEquals((await ask("/", { method: "HEAD" })).status, 200);
      await client.close();
      assertEquals((await ask()).text, "4");
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() makes the page of Express where no response is kept",
  async () => {
    let made = 0;
    await withProgram({ express: express5 }, (app) => {
      app.get("/", (_, response) => response.send(`${++made}`));
    }, async ({ ask, client }) => {
      await ask();
      const values = ["text", new Uint8Array([1, 10]), { a: 1 }, "[null,[]]\n"];
      for (const value of values) {
        for await (const { key } of client.keys()) {
          await client.set(String(key), value);
        }
        assertEquals((await ask()).status, 200);
      }
      assertEquals((await ask()).text, "6");
    });
  },
  needsMemcached,
);

test("cacheResponses() leaves alone what was answered meanwhile", async () => {
  const open = new Signal();
  let made = 0;
  await withProgram({
    express: express5,
    before: (app) =>
      app.use((request: Request, response: Response, next: Next) => {
        next();
        if (request.headers["x-late"]) response.status(503).send("Too late");
      }),
  }, (app) => {
    app.get("/", async (_, response) => {
      made++;
      await open.done;
      response.send("made");
    });
  }, async ({ ask, send }) => {
    const late = { headers: { "x-late": "1" } };
    // Before the cache has said that nothing is kept.
    assertEquals((await ask("/", late)).text, "Too late");
    const page = send("/").answer;
    assertEquals((await ask("/", late)).text, "Too late");
    open.set();
    assertEquals((await page).text, "made");
    assertEquals((await ask("/", late)).text, "Too late");
    assertEquals(made, 1);
  });
}, needsMemcached);

test("cacheResponses() does its work on node:http2", async () => {
  await withMemcached({}, async (memcached) => {
    const client = new Client(memcached.server);
    const middleware = cacheResponses(client);
    let made = 0;
    const server = createHttp2Server((request, response) => {
      middleware(request, response, () => {
        if (request.url === "/pieces") response.write("page ");
        else response.writeHead(200, { "x-own": "a" }).write("page ");
        response.end(`${++made}`);
      });
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    const connection = connectHttp2(`http://127.0.0.1:${port}`);
    const ask = (path: string, headers: Record<string, string> = {}) =>
      new Promise<{ text: string; headers: Record<string, unknown> }>(
        (resolve, reject) => {
          const stream = connection.request({ ":path": path, ...headers });
          let text = "";
          let head = {};
          stream.on("response", (headers) => head = headers);
          stream.on("data", (chunk) => text += chunk);
          stream.on("end", () => resolve({ text, headers: head }));
          stream.on("error", reject);
          stream.end();
        },
      );
    try {
      for (const path of ["/pieces", "/head"]) {
        made = 0;
        assertEquals((await ask(path)).text, "page 1");
        const { text, headers } = await ask(path);
        assertEquals([text, headers.age], ["page 1", "0"]);
        const etag = String(headers.etag);
        const again = await ask(path, { "if-none-match": etag });
        assertEquals([again.headers[":status"], again.text], [304, ""]);
        await client.flushAll();
        // The one who makes it has it. Its stream may end before the page does,
        // which is then left to the next.
        const own = await ask(path, { "if-none-match": "*" });
        assertEquals([own.headers[":status"], own.text], [304, ""]);
        assertMatch((await ask(path)).text, /^page [23]$/);
      }
    } finally {
      await new Promise<void>((done) => connection.close(done));
      await new Promise((done) => server.close(done));
      await client.close();
    }
  });
}, needsMemcached);

test("cacheResponses() does its work without Express", async () => {
  await withMemcached({}, async (memcached) => {
    const client = new Client(memcached.server);
    const middleware = cacheResponses(client);
    let made = 0;
    let failure: unknown;
    try {
      await withServer((request, response) => {
        const page = (): void => {
          made++;
          if (request.url?.startsWith("/thrown")) throw new Error("Thrown");
          response.writeHead(200, [["x-own", "a"], ["x-own", "b"]].flat());
          response.end(`${made}`);
        };
        middleware(request, response, page).catch((error) => {
          failure = error;
          if (request.headers["x-drop"]) response.destroy();
          else response.writeHead(500).end();
        });
      }, async (port) => {
        for (let i = 0; i < 2; i++) {
          const response = await fetch(`http://127.0.0.1:${port}/`, {
            headers: { connection: "close" },
          });
          assertEquals(await response.text(), "1");
          assertEquals(response.headers.get("x-own"), "a, b");
        }
        const response = await fetch(`http://127.0.0.1:${port}/thrown`, {
          headers: { connection: "close" },
        });
        await response.body?.cancel();
        assertEquals(response.status, 500);
        assertEquals(String(failure), "Error: Thrown");
        failure = undefined;
        const headers = { "x-drop": "1" };
        await assertRejects(() => send(port, "/thrown?", { headers }).answer);
        assertEquals(String(failure), "Error: Thrown");
      });
    } finally {
      await client.close();
    }
  });
}, needsMemcached);

test(
  "cacheResponses() of Hono and of Express keep the same records",
  async () => {
    await withProgram({ express: express5 }, (app) => {
      app.get("/", (_, response) => response.set(HEADERS).send("Express"));
    }, async ({ ask, port, client }) => {
      const app = new Hono();
      app.use(cacheHono(client));
      app.get("*", (c) => c.body("Hono", 200, HEADERS));
      const get = async (path: string) => {
        const response = await app.request(`http://127.0.0.1:${port}${path}`);
        const { headers } = response;
        return [
          await response.text(),
          headers.get("x-own"),
          headers.get("age"),
        ];
      };
      await ask("/");
      assertEquals(await get("/"), ["Express", "a", "0"]);
      await get("/hono");
      const { text, headers } = await ask("/hono");
      assertEquals([text, headers["x-own"], headers.age], ["Hono", "a", "0"]);
    });
  },
  needsMemcached,
);
