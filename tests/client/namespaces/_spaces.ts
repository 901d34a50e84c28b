/**
 * Namespaces on the embedded server, and what the server saw of them.
 *
 * @module
 */
import { Client, type ClientOptions, type Namespace } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";

/** A server, a client with a namespace, and another client with the same. */
export interface Spaces {
  readonly server: MemcachedServer;
  readonly client: Client;
  /** The namespace `n:` of `client`. */
  readonly space: Namespace;
  readonly other: Client;
  /** The namespace `n:` of `other`. */
  readonly theirs: Namespace;
}

/** The key of the version. */
export const VERSION = "n:@version";

/** Runs `fn` with a server and two clients, and closes them. */
export async function withSpaces(
  fn: (spaces: Spaces) => Promise<void>,
  options: ClientOptions = {},
): Promise<void> {
  const server = await MemcachedServer.start();
  const own = { timeout: 5000, ...options };
  const client = new Client(server.address, own);
  const other = new Client(server.address, own);
  const space = client.namespace("n:");
  const theirs = other.namespace("n:");
  try {
    await fn({ server, client, space, other, theirs });
  } finally {
    await client.close();
    await other.close();
    await server.close();
  }
}

/** What a server was asked since the last time, without the probes. */
export function linesOf(server: MemcachedServer): string[] {
  const lines = server.requests.map(({ line }) => line)
    .filter((line) => line !== "mn")
    // Numbers of the connection's own.
    .map((line) => line.replace(/ O\d+/, ""));
  server.clear();
  return lines;
}

/** The version that a server has. */
export async function versionAt(client: Client): Promise<string> {
  // It has the flags 0, which for jsonSerde are bytes.
  const bytes = await client.get<Uint8Array>(VERSION);
  return String.fromCharCode(...bytes ?? []);
}

/** Stores a version past the namespaces. */
export async function storeVersion(
  client: Client,
  version: string,
): Promise<void> {
  await client.set(VERSION, new TextEncoder().encode(version));
}
