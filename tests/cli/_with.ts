/**
 * Servers and folders for tests of the program in this process.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../mod.ts";
import { MemcachedServer } from "../../src/testing/mod.ts";
import { type Result, run, type RunOptions } from "./_inside.ts";

/** Runs the program, told of the server. */
export type Memcache = (
  args: readonly string[],
  options?: RunOptions,
) => Promise<Result>;

/** Runs a test against a server, by a program that is told of it. */
export function withServer(
  fn: (
    memcache: Memcache,
    server: MemcachedServer,
    client: Client,
  ) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const server = await MemcachedServer.start();
    const client = new Client(server.address);
    try {
      const memcache: Memcache = (args, options) =>
        run(["--server", server.address, ...args], options);
      await fn(memcache, server, client);
    } finally {
      await client.close();
      await server.close();
    }
  };
}

/** Runs a test with files in a folder of their own. */
export async function withFiles<T>(
  files: Record<string, string>,
  fn: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "memcache-cli-"));
  try {
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(folder, name), text);
    }
    return await fn(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
