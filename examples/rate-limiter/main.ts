/**
 * A rate limiter: any number of processes, one memcached, one limit.
 *
 *     bun main.ts [memcached] [port] [timeout]
 *
 * @module
 */
import { isIP } from "node:net";
import process from "node:process";
import { Client } from "@x/memcache";
import { type Decision, type Policy, take } from "./limiter.ts";

/** What is used of Bun; `@types/bun` has all of it. */
declare const Bun: {
  serve(options: {
    hostname: string;
    port: number;
    fetch(request: Request, server: BunServer): Promise<Response>;
  }): BunServer;
};

interface BunServer {
  readonly port: number;
  requestIP(request: Request): { readonly address: string } | null;
  stop(): Promise<void>;
}

const [, , memcached = "localhost:11211", port = "8001", timeout = "100"] =
  process.argv;

/** Whether a proxy of ours stands before this, and names the clients. */
const isProxied = process.env.TRUST_PROXY === "1";

const cache = new Client(memcached, {
  keyPrefix: "rate:",
  // Longer than that no request waits to be counted, in milliseconds.
  timeout: Number(timeout),
});

const POLICIES: Readonly<Record<string, Policy>> = {
  "/search": { name: "search", limit: 30, window: 60, kind: "fixed" },
  "/login": { name: "login", limit: 5, window: 60, kind: "sliding" },
};

/** The address of a client. What clients say of themselves must not count. */
function clientOf(request: Request, server: BunServer): string {
  if (isProxied) {
    // The last address is the one that our proxy has added.
    const named = request.headers.get("x-forwarded-for")?.split(",").at(-1);
    const address = named?.trim() ?? "";
    if (isIP(address) !== 0) return address;
  }
  return server.requestIP(request)?.address ?? "unknown";
}

function headersOf(
  { name, limit, window }: Policy,
  { isAllowed, remaining, reset, retryAfter }: Decision,
): Record<string, string> {
  return {
    "ratelimit-policy": `"${name}";q=${limit};w=${window}`,
    "ratelimit": `"${name}";r=${remaining};t=${reset}`,
    ...(isAllowed ? {} : { "retry-after": String(retryAfter) }),
  };
}

async function answer(request: Request, server: BunServer): Promise<Response> {
  const { pathname } = new URL(request.url);
  const policy = POLICIES[pathname];
  if (policy === undefined) {
    return Response.json({ error: "no such page" }, { status: 404 });
  }
  let decision: Decision;
  try {
    decision = await take(cache, policy, clientOf(request, server));
  } catch (error) {
    // Nobody is refused because memcached is down. Where that would be worse
    // than being down, answer 503 here.
    console.error(
      "not limited:",
      error instanceof Error ? error.message : error,
    );
    return Response.json({ page: pathname });
  }
  const headers = headersOf(policy, decision);
  if (decision.isAllowed) return Response.json({ page: pathname }, { headers });
  return Response.json({ error: "too many requests" }, {
    status: 429,
    headers,
  });
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  fetch: answer,
});
console.log(`listening on http://127.0.0.1:${server.port}`);

process.on("SIGTERM", async () => {
  await server.stop();
  await cache.close();
});
