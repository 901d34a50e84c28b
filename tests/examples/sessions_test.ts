/**
 * The program with sessions, on Node.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { lacks, succeed, tool } from "../package/_programs.ts";
import {
  type Answer,
  assertEnded,
  type Installed,
  NODE,
  type Program,
  withInstalled,
} from "./_example.ts";
import { followPage } from "./_page.ts";

const TSC = "typescript/bin/tsc";

const ENV = { SESSION_SECRET: "one", PASSWORD: "sesame" };

/** Somebody with a browser: keeps the cookie of the program. */
class Visitor {
  /** The cookie, empty if there is none. */
  cookie = "";
  readonly #program: () => Program;

  constructor(program: () => Program) {
    this.#program = program;
  }

  /** Asks for a page. */
  async get(path: string): Promise<Answer> {
    return await this.#ask(path, {});
  }

  /** Sends a form to a page. */
  async post(path: string, form: Record<string, string> = {}): Promise<Answer> {
    const body = new URLSearchParams(form);
    return await this.#ask(path, { method: "POST", body });
  }

  /** Logs in with the right password. */
  async login(user: string): Promise<void> {
    const { status } = await this.post("/login", {
      user,
      password: ENV.PASSWORD,
    });
    assertEquals(status, 200);
  }

  async #ask(path: string, init: RequestInit): Promise<Answer> {
    const headers: Record<string, string> = this.cookie === ""
      ? {}
      : { cookie: this.cookie };
    const answer = await this.#program().ask(path, { ...init, headers });
    for (const set of answer.headers.getSetCookie()) {
      this.cookie = set.split(";")[0].replace(/^sid=$/, "");
    }
    return answer;
  }
}

async function checkVisit({ withPrograms }: Installed): Promise<void> {
  await withMemcached({}, async ({ server }) => {
    await withPrograms(async (start) => {
      const program = await start(server, ENV);
      const ada = new Visitor(() => program);
      const bob = new Visitor(() => program);
      assertEquals((await ada.get("/")).status, 401);
      const wrong = { user: "ada", password: "sesam" };
      assertEquals((await ada.post("/login", wrong)).status, 401);
      assertEquals((await ada.post("/login")).status, 401);
      assertEquals(ada.cookie, "");
      await ada.login("ada");
      await bob.login("bob");
      assertEquals((await ada.get("/")).body, { user: "ada", views: 1 });
      assertEquals((await ada.get("/")).body, { user: "ada", views: 2 });
      assertEquals((await bob.get("/")).body, { user: "bob", views: 1 });
      // A new login is a new session: the old cookie is worth nothing.
      const { cookie } = ada;
      await ada.login("ada");
      assert(ada.cookie !== cookie);
      const thief = new Visitor(() => program);
      thief.cookie = cookie;
      assertEquals((await thief.get("/")).status, 401);
      // Nor is it after the logout.
      thief.cookie = ada.cookie;
      assertEquals((await ada.post("/logout")).body, { user: null });
      assertEquals(ada.cookie, "");
      assertEquals((await thief.get("/")).status, 401);
      assertEquals((await bob.get("/")).body, { user: "bob", views: 2 });
    });
  });
}

async function checkRestart({ withPrograms }: Installed): Promise<void> {
  await withMemcached({}, async ({ server }) => {
    await withPrograms(async (start) => {
      let program = await start(server, ENV);
      const ada = new Visitor(() => program);
      await ada.login("ada");
      assertEquals((await ada.get("/")).body, { user: "ada", views: 1 });
      assertEnded(await program.stop(), program.output);
      // What was signed with an old secret counts as long as it is listed.
      program = await start(server, { ...ENV, SESSION_SECRET: "two,one" });
      assertEquals((await ada.get("/")).body, { user: "ada", views: 2 });
      await program.stop();
      program = await start(server, { ...ENV, SESSION_SECRET: "three" });
      assertEquals((await ada.get("/")).status, 401);
    });
  });
}

async function checkLifetime({ withPrograms }: Installed): Promise<void> {
  const server = await MemcachedServer.start();
  try {
    await withPrograms(async (start) => {
      const program = await start(server.address, {
        ...ENV,
        SESSION_TTL: "600",
      });
      const ada = new Visitor(() => program);
      await ada.login("ada");
      // Each visit begins the lifetime anew.
      for (const views of [1, 2, 3]) {
        server.advance(590);
        const { body, headers } = await ada.get("/");
        assertEquals(body, { user: "ada", views });
        assertMatch(headers.get("set-cookie") ?? "", /; Expires=/);
      }
      server.advance(602);
      assertEquals((await ada.get("/")).status, 401);
    });
  } finally {
    await server.close();
  }
}

async function checkOutage({ withPrograms }: Installed): Promise<void> {
  await withMemcached({}, async (memcached) => {
    await withPrograms(async (start) => {
      const program = await start(memcached.server, ENV);
      const ada = new Visitor(() => program);
      await ada.login("ada");
      const health = async () => (await program.ask("/health")).body;
      assertEquals(await health(), { memcached: "up" });
      await memcached.kill();
      const { status, headers } = await ada.get("/");
      assertEquals(status, 503);
      assertEquals(headers.get("retry-after"), "5");
      assert(ada.cookie !== "");
      const form = { user: "bob", password: ENV.PASSWORD };
      assertEquals((await ada.post("/login", form)).status, 503);
      assertEquals((await ada.post("/logout")).status, 503);
      assertEquals(await health(), { memcached: "down" });
      assertMatch(program.output, /^sessions: ERR_\w+ 127\.0\.0\.1:\d+$/m);
      // A memcached that was started anew has no sessions.
      await memcached.restart();
      while ((await ada.get("/")).status === 503);
      assertEquals((await ada.get("/")).status, 401);
      await ada.login("ada");
      assertEquals((await ada.get("/")).body, { user: "ada", views: 1 });
      assertEnded(await program.stop(), program.output);
    });
  });
}

async function checkSecrets({ withPrograms }: Installed): Promise<void> {
  await withPrograms(async (start) => {
    for (const name of ["SESSION_SECRET", "PASSWORD"]) {
      const program = await start("127.0.0.1:1", { ...ENV, [name]: "" });
      assertEquals(program.url, "");
      assertEquals(await program.ended(), 2);
      assertEquals(program.output, `Cannot start: ${name} is not set\n`);
    }
  });
}

async function checkPage({ withPrograms }: Installed): Promise<void> {
  await withMemcached({}, async ({ server }) => {
    await withPrograms(async (start) => {
      await followPage("sessions", await start(server, ENV));
    });
  });
}

/** TypeScript, with the types that package.json names. */
async function checkTypes({ folder }: Installed): Promise<void> {
  const options = ["--noEmit", "--strict", "--module", "nodenext"];
  const types = ["--types", "node", "--allowImportingTsExtensions"];
  await succeed([tool(TSC), ...options, ...types, "main.ts"], { cwd: folder });
}

test("sessions keeps its promises", async (t) => {
  await withInstalled("sessions", "node", async (installed) => {
    await t.step(
      "a session lasts from login to logout",
      () => checkVisit(installed),
    );
    await t.step(
      "sessions survive a restart of the program",
      () => checkRestart(installed),
    );
    await t.step(
      "sessions are gone after their ttl",
      () => checkLifetime(installed),
    );
    await t.step(
      "nobody is logged out while memcached is down",
      () => checkOutage(installed),
    );
    await t.step("its types are right", () => checkTypes(installed));
    await t.step(
      "without secrets it does not start",
      () => checkSecrets(installed),
    );
    await t.step("the page says what happens", () => checkPage(installed));
  });
}, {
  timeout: 240_000,
  skip: needsMemcached.skip === true || lacks(NODE, TSC),
});
