/**
 * What commands work with: the servers, the clients for them, the terminal.
 *
 * @module
 */

import {
  Client,
  type ClientOptions,
  type Dial,
  dial,
  HashClient,
  type Hasher,
  KetamaHash,
  MemcacheIllegalInputError,
  ModuloHash,
  parseServer,
  RendezvousHash,
  type Serde,
  type ServerAddress,
  type TlsOptions,
} from "../../mod.ts";
import { readFile } from "node:fs/promises";
import { Interrupted, UsageError } from "./failure.ts";
import { askPassword } from "./password.ts";
import type { Terminal } from "./terminal.ts";

/** The options that every command has. */
export interface GlobalOptions {
  readonly server?: readonly string[];
  readonly user?: string;
  readonly passwordFile?: string;
  readonly tls?: boolean;
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly insecure?: boolean;
  readonly hash?: string;
  readonly timeout?: number;
  readonly connectTimeout?: number;
  readonly json?: boolean;
  readonly color?: boolean;
}

/** The variable that names servers where no option does. */
export const VARIABLE = "MEMCACHED_URL";
/** Milliseconds for a command to end by itself after an interrupt. */
const GRACE = 3000;
const USUAL = "localhost:11211";

/** Bytes as they are; counters as `jsonSerde` stores them. */
const serde: Serde = {
  serialize(_key, value) {
    if (value instanceof Uint8Array) return { data: value, flags: 0 };
    if (typeof value === "number" || typeof value === "bigint") {
      return { data: String(value), flags: 2 };
    }
    throw new UsageError("Cannot store value: it must be bytes");
  },
  deserialize: (_key, data) => data,
};

const HASHERS: Readonly<Record<string, () => Hasher>> = {
  rendezvous: () => new RendezvousHash(),
  ketama: () => new KetamaHash(),
  modulo: () => new ModuloHash(),
};

/** The names of the ways to place keys. */
export const HASHES: readonly string[] = Object.keys(HASHERS);

/** A result for one server, or its failure. */
export type Outcome<T> =
  | { readonly server: string; readonly value: T }
  | { readonly server: string; readonly error: unknown };

/** The servers of a run, and what belongs to it. */
export class Session {
  readonly terminal: Terminal;
  readonly addresses: readonly ServerAddress[];
  /** Ends loops and feeds, on Ctrl-C. */
  interrupt: AbortController = new AbortController();
  /** Whether a prompt is there to read values from. */
  readValue: (() => Promise<Uint8Array>) | undefined = undefined;
  /** Is told of every connection that is opened. */
  onOpen: ((address: ServerAddress) => void) | undefined = undefined;
  /** Whether the command that runs ends by itself after an interrupt. */
  endsByItself = false;
  /** Whether the session is over. */
  isClosed = false;
  /** Whether results are JSON. */
  json: boolean;
  readonly #options: ClientOptions;
  readonly #hash: string;
  #grace: ReturnType<typeof setTimeout> | undefined = undefined;
  #one: Client[] | undefined = undefined;
  #all: HashClient | undefined = undefined;

  private constructor(
    terminal: Terminal,
    addresses: readonly ServerAddress[],
    options: ClientOptions,
    { hash = "rendezvous", json = false }: GlobalOptions,
  ) {
    this.terminal = terminal;
    this.addresses = addresses;
    this.json = json;
    this.#hash = hash;
    const open: Dial = (address, options) => {
      this.onOpen?.(address);
      return dial(address, options);
    };
    this.#options = { ...options, dial: open };
  }

  /**
   * Reads the options, the environment, and the files that they name.
   *
   * @throws {UsageError} If they cannot be used.
   */
  static async open(
    terminal: Terminal,
    options: GlobalOptions,
  ): Promise<Session> {
    const fromEnvironment = terminal.env(VARIABLE);
    const given = options.server ?? fromEnvironment?.split(/[\s,]+/) ?? [USUAL];
    const texts = given.filter((text) => text !== "");
    if (texts.length === 0) throw new UsageError("Cannot connect: no server");
    const addresses = new Map<string, ServerAddress>();
    for (const text of texts) {
      const address = parseServer(text);
      addresses.set(address.name, address);
    }
    const tls = await readTls(options);
    const auth = await readAuth(terminal, options);
    return new Session(terminal, [...addresses.values()], {
      serde,
      allowUnicodeKeys: true,
      timeout: options.timeout ?? 5000,
      connectTimeout: options.connectTimeout ?? 3000,
      ...(tls === undefined ? {} : { tls }),
      ...(auth === undefined ? {} : { auth }),
    }, options);
  }

  /** The client for commands on keys: each goes to its key's server. */
  get client(): Client | HashClient {
    if (this.addresses.length === 1) return this.clients[0];
    return this.#all ??= this.newCluster();
  }

  /** A client for each server, in their order. */
  get clients(): readonly Client[] {
    return this.#one ??= this.addresses.map((address) =>
      new Client(address, this.#options)
    );
  }

  /** Clients of their own for a load, as `client` is. */
  newClient(): Client | HashClient {
    return this.addresses.length === 1
      ? new Client(this.addresses[0], this.#options)
      : this.newCluster();
  }

  /** A client of all servers, that never gives one up for another. */
  newCluster(): HashClient {
    return new HashClient(this.addresses, {
      ...this.#options,
      hasher: HASHERS[this.#hash](),
      retryAttempts: Number.MAX_SAFE_INTEGER,
      retryTimeout: 100,
    });
  }

  /** The name of the server that has a key. */
  serverOf(key: string): string {
    const client = this.client;
    return client instanceof HashClient
      ? client.serversFor(key)[0]
      : this.addresses[0].name;
  }

  /** Asks every server at once; the failure of one is its own. */
  each<T>(
    ask: (client: Client, server: string) => Promise<T>,
  ): Promise<Outcome<T>[]> {
    return Promise.all(this.clients.map((client, i) => {
      const server = this.addresses[i].name;
      return ask(client, server).then(
        (value) => ({ server, value }),
        (error: unknown) => ({ server, error }),
      );
    }));
  }

  /**
   * Rejects after an interrupt: at once, or where the command ends by itself
   * then, if that takes too long.
   */
  givenUp(): Promise<never> {
    const { signal } = this.interrupt;
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        if (this.isClosed) return;
        const end = () => reject(new Interrupted("Interrupted"));
        if (!this.endsByItself) return end();
        this.#grace = setTimeout(end, GRACE);
      });
    });
  }

  /** Forgets an interrupt of the command before. */
  renew(): void {
    if (this.interrupt.signal.aborted) this.interrupt = new AbortController();
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.#grace);
    this.interrupt.abort();
    await Promise.allSettled(
      [...this.#one ?? [], this.#all].map((client) => client?.close()),
    );
  }
}

async function readTls(
  { tls, ca, cert, key, serverName, insecure }: GlobalOptions,
): Promise<boolean | TlsOptions | undefined> {
  const wanted = tls || ca || cert || key || serverName || insecure;
  if (!wanted) return undefined;
  const read = (path: string) => readFile(path, "utf8");
  return {
    ...(ca === undefined ? {} : { caCerts: await Promise.all(ca.map(read)) }),
    ...(cert === undefined ? {} : { cert: await read(cert) }),
    ...(key === undefined ? {} : { key: await read(key) }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(insecure ? { insecureSkipVerify: true } : {}),
  };
}

async function readAuth(
  terminal: Terminal,
  { user, passwordFile }: GlobalOptions,
): Promise<{ username: string; password: string } | undefined> {
  if (user === undefined) {
    if (passwordFile === undefined) return undefined;
    throw new UsageError("Cannot use --password-file: --user is missing");
  }
  if (passwordFile !== undefined) {
    const text = await readFile(passwordFile, "utf8");
    return { username: user, password: text.replace(/\r?\n$/, "") };
  }
  if (!terminal.isInput || !terminal.isError) {
    throw new UsageError(
      `Cannot ask for the password: there is no terminal, use --password-file or ${VARIABLE}`,
    );
  }
  const password = await askPassword(`Password of ${user}: `);
  if (password === undefined) {
    throw new MemcacheIllegalInputError("Cannot authenticate: no password");
  }
  return { username: user, password };
}
