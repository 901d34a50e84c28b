/**
 * What is compared: our client, as this checkout or another one has it, and the
 * clients from npm, each with its own settings as they come, but for what makes
 * it use one connection.
 *
 * @module
 */
import { createRequire } from "node:module";

/** A client under one set of names. */
export interface Contender {
  /** Its name on the command line and in tables. */
  readonly name: string;
  /** Its package's version. */
  readonly version: string;
  /** Whether it can send a store without asking for a reply. */
  readonly silent: boolean;
  /** Reads one value, in the type that the client gives it. */
  get(key: string): Promise<Answer | undefined>;
  /** Stores one value; resolves when it is acknowledged. */
  set(key: string, value: string): Promise<unknown>;
  /** Stores one value, without a reply where the client can. */
  store(key: string, value: string): Promise<unknown>;
  /** Reads many values in the best way that the client has. */
  getMany(keys: readonly string[]): Promise<Found>;
  /** Lets go of its connection. */
  close(): Promise<void>;
}

/** A value as a client answers it: memjs gives bytes. */
export type Answer = string | Uint8Array;

/** What many keys found. */
export interface Found {
  /** The value of a key, `undefined` for a miss. */
  get(key: string): Answer | undefined;
}

/** The names of the peers from npm. */
export const PEERS: readonly string[] = [
  "memjs",
  "memcached",
  "memcache",
  "memcache-client",
];

/** What is used of a version of ours. */
export interface Ours {
  Client: new (server: string) => {
    get(key: string): Promise<string | undefined>;
    getMany(keys: readonly string[]): Promise<Map<string, string>>;
    set(
      key: string,
      value: string,
      options?: { noreply?: boolean },
    ): Promise<boolean>;
    close(): Promise<void>;
  };
}

/** Opens ours, from its module. */
export function openOurs(
  name: string,
  { Client }: Ours,
  port: number,
): Contender {
  const client = new Client(`127.0.0.1:${port}`);
  const noreply = { noreply: true };
  return {
    name,
    version: "",
    silent: true,
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    store: (key, value) => client.set(key, value, noreply),
    getMany: (keys) => client.getMany(keys),
    close: () => client.close(),
  };
}

type Done<T> = (error: unknown, value: T) => void;

/** Makes a promise of a call with a callback. */
function settle<T>(call: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => error ? reject(error) : resolve(value));
  });
}

interface Memjs {
  get(key: string): Promise<{ value: Uint8Array | null }>;
  set(key: string, value: string, options: object): Promise<boolean>;
  close(): void;
}

function openMemjs(
  module: { Client: { create(server: string, options: object): Memjs } },
  port: number,
): Omit<Contender, "name" | "version"> {
  const client = module.Client.create(`127.0.0.1:${port}`, {});
  const get = (key: string) =>
    client.get(key).then(({ value }) => value ?? undefined);
  const set = (key: string, value: string) => client.set(key, value, {});
  return {
    get,
    set,
    // It has no command without a reply, and none for many keys.
    silent: false,
    store: set,
    getMany: async (keys) => {
      const values = await Promise.all(keys.map(get));
      return new Map(keys.map((key, i) => [key, values[i]!]));
    },
    close: async () => await client.close(),
  };
}

interface Memcached {
  get(key: string, done: Done<string | undefined>): void;
  set(key: string, value: string, ttl: number, done: Done<boolean>): void;
  getMulti(
    keys: readonly string[],
    done: Done<Record<string, string>>,
  ): void;
  end(): void;
}

function openMemcached(
  Client: new (server: string, options: object) => Memcached,
  port: number,
): Omit<Contender, "name" | "version"> {
  const client = new Client(`127.0.0.1:${port}`, { poolSize: 1 });
  const set = (key: string, value: string) =>
    settle<boolean>((done) => client.set(key, value, 0, done));
  return {
    get: (key) => settle<string | undefined>((done) => client.get(key, done)),
    set,
    silent: false,
    store: set,
    getMany: async (keys) => {
      const found = await settle<Record<string, string>>((done) =>
        client.getMulti(keys, done)
      );
      return { get: (key) => found[key] };
    },
    close: async () => await client.end(),
  };
}

interface Memcache {
  get(key: string): Promise<string | undefined>;
  gets(keys: readonly string[]): Promise<Map<string, string>>;
  set(key: string, value: string): Promise<boolean>;
  disconnect(): Promise<void>;
}

function openMemcache(
  module: { Memcache: new (options: object) => Memcache },
  port: number,
): Omit<Contender, "name" | "version"> {
  const client = new module.Memcache({ nodes: [`127.0.0.1:${port}`] });
  const set = (key: string, value: string) => client.set(key, value);
  return {
    get: (key) => client.get(key),
    set,
    silent: false,
    store: set,
    getMany: (keys) => client.gets(keys),
    close: () => client.disconnect(),
  };
}

interface MemcacheClient {
  get(key: string): Promise<{ value: string } | undefined>;
  get(keys: readonly string[]): Promise<Record<string, { value: string }>>;
  set(key: string, value: string, options?: object): Promise<unknown>;
  shutdown(): void;
}

function openMemcacheClient(
  module: { MemcacheClient: new (options: object) => MemcacheClient },
  port: number,
): Omit<Contender, "name" | "version"> {
  const client = new module.MemcacheClient({
    server: { server: `127.0.0.1:${port}`, maxConnections: 1 },
  });
  return {
    get: (key) => client.get(key).then((found) => found?.value),
    set: (key, value) => client.set(key, value, { lifetime: 0 }),
    silent: true,
    store: (key, value) =>
      client.set(key, value, { lifetime: 0, noreply: true }),
    getMany: async (keys) => {
      const found = await client.get(keys);
      return { get: (key) => found[key]?.value };
    },
    close: async () => await client.shutdown(),
  };
}

/**
 * Opens a client from npm.
 *
 * @param folder Where the packages are installed.
 */
export function openPeer(
  name: string,
  folder: string,
  port: number,
): Contender {
  const require = createRequire(`${folder}/`);
  const { version } = require(`${folder}/node_modules/${name}/package.json`);
  const module = require(name);
  switch (name) {
    case "memjs":
      return { name, version, ...openMemjs(module, port) };
    case "memcached":
      return { name, version, ...openMemcached(module, port) };
    case "memcache":
      return { name, version, ...openMemcache(module, port) };
    case "memcache-client":
      return { name, version, ...openMemcacheClient(module, port) };
    default:
      throw new Error(`Cannot compare with ${name}: unknown`);
  }
}
