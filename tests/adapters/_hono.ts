/**
 * A program of Hono with the middleware before its pages.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { Client } from "@x/memcache";
import { cacheResponses, type CacheResponsesOptions } from "@x/memcache/hono";
import { MemcachedServer } from "@x/memcache/testing";

/** A program, its server, and a way to ask it. */
export interface Setup {
  readonly server: MemcachedServer;
  readonly client: Client;
  /** Asks for the page; its body counts how often it was made. */
  readonly ask: (
    init?: RequestInit & { path?: string },
  ) => Promise<{ status: number; text: string; headers: Headers }>;
}

/** A program whose every page is made by `page`. */
export async function withPage(
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
