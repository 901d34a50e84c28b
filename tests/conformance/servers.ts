/**
 * The servers that the conformance suite runs on, and how: one server for each
 * run, which is there while it has clients.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClientOptions } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, startMemcached, TRANSPORTS } from "../_memcached.ts";
import type { TestOptions } from "../_runtime.ts";
import {
  conformance,
  type Made,
  type Make,
  type Traits,
} from "../conformance.ts";

type Protocol = NonNullable<ClientOptions["protocol"]>;

/** A server that was started. */
export interface Running {
  /** Its address. */
  readonly server: string;
  /** Its name in errors; any where there are several. */
  readonly name: string | undefined;
  /** What it asks of clients. */
  readonly options: ClientOptions;
  /** Ends it. */
  stop(): Promise<void>;
}

/** A kind of server. */
export interface Kind {
  /** What it is called in names of tests. */
  readonly title: string;
  /** Starts one. */
  readonly start: () => Promise<Running>;
  /** The protocols that clients are told to speak, one after another. */
  readonly protocols: readonly Protocol[];
  /** Whether it knows the meta commands. */
  readonly meta: boolean;
  /** Whether only behaviours are run in which a server takes part. */
  readonly brief: boolean;
  /** Options of its tests. */
  readonly test: TestOptions;
}

const EVERY = ["auto", "classic", "meta"] as const;
const OLD = ["auto", "classic"] as const;
const AUTO = ["auto"] as const;

/** Real memcached, over every transport. */
export const MEMCACHED: readonly Kind[] = TRANSPORTS.map((transport) => ({
  title: `memcached over ${transport}`,
  start: async () => {
    const memcached = await startMemcached({ transport });
    const { server, options } = memcached;
    return { server, name: server, options, stop: () => memcached.kill() };
  },
  // A transport of its own, but no other way to write or to read.
  protocols: transport === "unix" || transport === "mtls" ? AUTO : EVERY,
  meta: true,
  brief: transport !== "tcp",
  test: needsMemcached,
}));

/** The embedded server, also as one that does not know meta. */
export const EMBEDDED: readonly Kind[] = [true, false].flatMap((meta) =>
  ["tcp", "unix"].map((transport) => ({
    title: `embedded ${meta ? "" : "classic "}server over ${transport}`,
    start: () => startEmbedded(transport, meta),
    protocols: transport === "unix" ? AUTO : meta ? EVERY : OLD,
    meta,
    brief: !meta || transport !== "tcp",
    test: {},
  }))
);

/**
 * Registers the suite for each kind of server and each protocol.
 *
 * @param kinds The servers.
 * @param name What is tested.
 * @param open Makes a client; it has to be given what `options` say.
 * @param traits What is known of such clients.
 */
export function over(
  kinds: readonly Kind[],
  name: string,
  open: (server: string, options: ClientOptions) => Omit<Made, "close">,
  traits: Pick<
    Traits,
    "connections" | "attempts" | "servers" | "except" | "hidden"
  > = {},
): void {
  for (const { title, start, protocols, meta, brief, test } of kinds) {
    for (const protocol of protocols) {
      const running = share(start);
      const known: Traits = {
        ...traits,
        meta,
        fences: meta && protocol !== "classic",
        brief: brief || protocol !== "auto",
      };
      const make: Make = async (options) => {
        const { server, name, options: asked } = await running.enter();
        known.name = name;
        const made = open(server, {
          // More time than by default: the machine may be busy.
          timeout: 4000,
          connectTimeout: 4000,
          ...asked,
          protocol,
          ...options,
        });
        const close = async () => {
          await made.client.close();
          await running.leave();
        };
        return { ...made, close };
      };
      conformance(`${name}, ${title}, ${protocol}`, make, known, test);
    }
  }
}

/** Three servers where there was one; their addresses stand side by side. */
export function three(kind: Kind): Kind {
  return {
    ...kind,
    title: `three of ${kind.title}`,
    start: async (): Promise<Running> => {
      const running = await Promise.all([1, 2, 3].map(kind.start));
      return {
        server: running.map(({ server }) => server).join(" "),
        name: undefined,
        options: running[0].options,
        stop: async () => {
          await Promise.all(running.map((one) => one.stop()));
        },
      };
    },
  };
}

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
