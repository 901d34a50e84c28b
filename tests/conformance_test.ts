/**
 * The conformance suite over each kind of client, server and protocol.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type ClientOptions } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, startMemcached, TRANSPORTS } from "./_memcached.ts";
import type { TestOptions } from "./_runtime.ts";
import { conformance, type Make, type Traits } from "./conformance.ts";

/** A server that is there while it has clients. */
interface Running {
  /** Its address. */
  readonly server: string;
  /** Its name in errors. */
  readonly name: string;
  /** What it asks of clients. */
  readonly options: ClientOptions;
  /** Ends it. */
  stop(): Promise<void>;
}

/** A kind of server. */
interface Kind {
  readonly title: string;
  readonly start: () => Promise<Running>;
  readonly protocols: ReadonlyArray<NonNullable<ClientOptions["protocol"]>>;
  /** Whether it knows the meta commands. */
  readonly meta: boolean;
  /** Whether only behaviours are run in which a server takes part. */
  readonly brief: boolean;
  readonly test: TestOptions;
}

const EVERY = ["auto", "classic", "meta"] as const;
const AUTO = ["auto"] as const;

const KINDS: readonly Kind[] = [
  ...TRANSPORTS.map((transport): Kind => ({
    title: `memcached over ${transport}`,
    start: async () => {
      const memcached = await startMemcached({ transport });
      const { server, options } = memcached;
      return { server, name: server, options, stop: () => memcached.kill() };
    },
    // Not another way to write or to read: one protocol says it all.
    protocols: transport === "unix" || transport === "mtls" ? AUTO : EVERY,
    meta: true,
    brief: transport !== "tcp",
    test: needsMemcached,
  })),
  ...[true, false].flatMap((meta) =>
    ["tcp", "unix"].map((transport): Kind => ({
      title: `embedded ${meta ? "" : "classic "}server over ${transport}`,
      start: () => startEmbedded(transport, meta),
      protocols: transport === "unix"
        ? AUTO
        : meta
        ? EVERY
        : ["auto", "classic"],
      meta,
      brief: !meta || transport !== "tcp",
      test: {},
    }))
  ),
];

async function startEmbedded(
  transport: string,
  meta: boolean,
): Promise<Running> {
  if (transport === "tcp") {
    const server = await MemcachedServer.start({ meta });
    const { address } = server;
    return {
      server: address,
      name: address,
      options: {},
      stop: () => server.close(),
    };
  }
  const folder = mkdtempSync(join(tmpdir(), "memcache-"));
  const path = join(folder, "m.sock");
  const server = await MemcachedServer.start({ meta, path });
  return {
    server: server.address,
    name: path,
    options: {},
    stop: async () => {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

for (const { title, start, protocols, meta, brief, test } of KINDS) {
  for (const protocol of protocols) {
    const running = share(start);
    const traits: Traits = {
      meta,
      fences: meta && protocol !== "classic",
      brief: brief || protocol !== "auto",
    };
    const make: Make = async (options) => {
      const { server, name, options: asked } = await running.enter();
      traits.name = name;
      // More time than by default: the machine may be busy.
      const patient = { timeout: 4000, connectTimeout: 4000 };
      const client = new Client(server, {
        ...patient,
        ...asked,
        protocol,
        ...options,
      });
      const close = async () => {
        await client.close();
        await running.leave();
      };
      return { client, server: client, close };
    };
    conformance(`Client, ${title}, ${protocol}`, make, traits, test);
  }
}

/** Starts a server with its first client, and stops it with its last. */
function share(
  start: () => Promise<Running>,
): { enter(): Promise<Running>; leave(): Promise<void> } {
  let running: Promise<Running> | undefined;
  let clients = 0;
  return {
    enter: () => {
      clients++;
      return running ??= start();
    },
    leave: async () => {
      if (--clients > 0) return;
      const ended = await running;
      running = undefined;
      await ended?.stop();
    },
  };
}
