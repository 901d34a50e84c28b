/**
 * The rate limiter, on Bun, and its rules by a clock of the test's own.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client } from "@x/memcache";
import {
  type Decision,
  type Policy,
  take,
} from "../../examples/rate-limiter/limiter.ts";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { BUN, lacks } from "../package/_programs.ts";
import {
  assertEnded,
  type Installed,
  type Program,
  withInstalled,
} from "./_example.ts";
import { followPage } from "./_page.ts";

const FIXED: Policy = { name: "f", limit: 10, window: 60, kind: "fixed" };
const SLIDING: Policy = { ...FIXED, name: "s", kind: "sliding" };

/** The beginning of a window of a minute, in milliseconds. */
const BEGIN = 1_800_000_000_000;

/** Gives a function what takes at a time of the test, in seconds. */
async function withLimiter(
  fn: (
    take: (policy: Policy, at: number, client?: string) => Promise<Decision>,
  ) => Promise<void>,
): Promise<void> {
  await withMemcached({}, async ({ server }) => {
    const clients = [new Client(server), new Client(server)];
    let calls = 0;
    await fn((policy, at, client = "a") =>
      take(clients[calls++ % 2], policy, client, BEGIN + Math.round(at * 1000))
    );
    for (const client of clients) await client.close();
  });
}

for (const policy of [FIXED, SLIDING]) {
  test(
    `take() lets in as many as the limit says, window ${policy.kind}`,
    async () => {
      await withLimiter(async (take) => {
        const calls = Array.from({ length: 50 }, () => take(policy, 5));
        const decisions = await Promise.all(calls);
        const allowed = decisions.filter(({ isAllowed }) => isAllowed);
        const left = allowed.map(({ remaining }) => remaining);
        assertEquals(left.sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert(decisions.every(({ reset }) => reset === 55));
        // Others have limits of their own.
        assertEquals((await take(policy, 5, "b")).remaining, 9);
        const other = { ...policy, name: "other" };
        assertEquals((await take(other, 5)).remaining, 9);
      });
    },
    needsMemcached,
  );
}

test("take() begins anew with a fixed window", async () => {
  await withLimiter(async (take) => {
    for (let i = 0; i < 10; i++) assert((await take(FIXED, 59)).isAllowed);
    const refused = await take(FIXED, 59);
    assertEquals(refused, {
      isAllowed: false,
      remaining: 0,
      reset: 1,
      retryAfter: 1,
    });
    assertEquals((await take(FIXED, 60)).remaining, 9);
  });
}, needsMemcached);

test(
  "take() counts what of the window before is in a sliding one",
  async () => {
    await withLimiter(async (take) => {
      for (let i = 0; i < 10; i++) assert((await take(SLIDING, 59)).isAllowed);
      assert(!(await take(SLIDING, 60)).isAllowed);
      // Half of the window before is gone: 5 of 10 are left.
      for (let i = 4; i >= 0; i--) {
        assertEquals((await take(SLIDING, 90)).remaining, i);
      }
      assert(!(await take(SLIDING, 90)).isAllowed);
      // Two windows later nothing counts any more.
      assertEquals((await take(SLIDING, 180)).remaining, 9);
    });
  },
  needsMemcached,
);

test("take() counts no request that it refuses", async () => {
  await withLimiter(async (take) => {
    for (let i = 0; i < 30; i++) await take(SLIDING, 0);
    // Ten counted, of which half are gone after a window and a half.
    const decisions: boolean[] = [];
    for (let i = 0; i < 6; i++) {
      decisions.push((await take(SLIDING, 90)).isAllowed);
    }
    assertEquals(decisions, [true, true, true, true, true, false]);
  });
}, needsMemcached);

test(
  "take() lets in who comes back when it said, and nobody sooner",
  async () => {
    await withLimiter(async (take) => {
      for (const policy of [FIXED, SLIDING]) {
        for (const limit of [1, 3, 7, 10]) {
          for (const begin of [0, 13.3, 42, 59.9]) {
            const client = `${limit}:${begin}`;
            const own = { ...policy, limit };
            let at = begin;
            for (let round = 0; round < 3; round++) {
              let decision = await take(own, at, client);
              while (decision.isAllowed) decision = await take(own, at, client);
              const { retryAfter } = decision;
              if (retryAfter > 1) {
                const sooner = await take(own, at + retryAfter - 1.01, client);
                assert(!sooner.isAllowed, `${client} sooner`);
              }
              at += retryAfter;
              assert((await take(own, at, client)).isAllowed, `${client} then`);
            }
          }
        }
      }
    });
  },
  { ...needsMemcached, timeout: 30_000 },
);

const OPTIONS = {
  timeout: 240_000,
  skip: needsMemcached.skip === true || lacks(BUN),
};

/** Asks for a page as a client behind a proxy. */
function askAs(
  program: Program,
  client: string,
  path: string,
): ReturnType<Program["ask"]> {
  // Clients may claim what they like; the proxy adds what it knows.
  const headers = { "x-forwarded-for": `10.9.9.9, ${client}` };
  return program.ask(path, { headers });
}

/**
 * What becomes of 40 requests that come to two processes in one window: if
 * another one has begun meanwhile, others are made.
 */
async function askInOneWindow(
  programs: readonly Program[],
  path: string,
): Promise<readonly Awaited<ReturnType<Program["ask"]>>[]> {
  for (let i = 1;; i++) {
    const before = Math.floor(Date.now() / 60_000);
    const answers = await Promise.all(
      Array.from(
        { length: 40 },
        (_, request) => askAs(programs[request % 2], `10.0.0.${i}`, path),
      ),
    );
    if (Math.floor(Date.now() / 60_000) === before) return answers;
  }
}

async function checkLimits({ withPrograms }: Installed): Promise<void> {
  await withMemcached({}, async ({ server }) => {
    await withPrograms(async (start) => {
      const env = { TRUST_PROXY: "1" };
      const programs = [
        await start(server, env),
        await start(server, env),
      ];
      for (const [path, limit] of [["/search", 30], ["/login", 5]] as const) {
        const answers = await askInOneWindow(programs, path);
        const name = path.slice(1);
        const left: string[] = [];
        for (const { status, headers } of answers) {
          const policy = headers.get("ratelimit-policy");
          assertEquals(policy, `"${name}";q=${limit};w=60`);
          const [, rest] = /^"\w+";r=(\d+);t=\d+$/.exec(
            headers.get("ratelimit") ?? "",
          ) ?? [];
          if (status === 200) left.push(rest);
          else {
            assertEquals(status, 429);
            assertEquals(rest, "0");
            assertMatch(headers.get("retry-after") ?? "", /^[1-9]\d*$/);
          }
        }
        const expected = Array.from({ length: limit }, (_, i) => String(i));
        assertEquals(left.sort(), expected.sort(), path);
        assertEquals((await askAs(programs[0], "10.1.1.1", path)).status, 200);
      }
      assertEquals((await askAs(programs[0], "10.1.1.1", "/")).status, 404);
    });
  });
}

async function checkOutage({ withPrograms }: Installed): Promise<void> {
  await withMemcached({}, async (memcached) => {
    await withPrograms(async (start) => {
      const program = await start(memcached.server);
      for (let i = 0; i < 5; i++) await program.ask("/login");
      assertEquals((await program.ask("/login")).status, 429);
      await memcached.kill();
      for (let i = 0; i < 10; i++) {
        const { status, headers } = await program.ask("/login");
        assertEquals(status, 200);
        assertEquals(headers.get("ratelimit"), null);
      }
      assertMatch(program.output, /^not limited: /m);
      assertEnded(await program.stop(), program.output);
    });
  });
}

async function checkPage({ withPrograms }: Installed): Promise<void> {
  await withMemcached({}, async ({ server }) => {
    await withPrograms(async (start) => {
      await followPage("rate-limiter", await start(server));
    });
  });
}

test("rate-limiter keeps its promises", async (t) => {
  await withInstalled("rate-limiter", "bun", async (installed) => {
    await t.step(
      "limits are exact with two processes",
      () => checkLimits(installed),
    );
    await t.step(
      "nobody is refused while memcached is down",
      () => checkOutage(installed),
    );
    await t.step("the page says what happens", () => checkPage(installed));
  });
}, OPTIONS);
