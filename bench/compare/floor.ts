/**
 * The floor: what the transport of our client and the server need for a load,
 * with ready-made commands to write and nothing done with the replies but to
 * count their bytes.
 *
 * @module
 */
import type {
  Conn,
  Dial,
  DialOptions,
  ServerAddress,
} from "../../src/conn/conn.ts";
import type { Items, Scenario } from "./scenarios.ts";

/** What is used of our client's module. */
export interface Transport {
  dial: Dial;
  parseServer(server: string): ServerAddress;
}

/** Commands that go out together, and the length of all their replies. */
interface Batch {
  /** What to write, piece by piece. */
  readonly pieces: readonly Uint8Array[];
  /** How many bytes the server answers. */
  readonly replies: number;
  /** How many operations that is. */
  readonly count: number;
}

const PIECE = 64 * 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** A connection that writes ready-made bytes. */
export class Floor {
  readonly name = "floor";
  readonly version = "";
  #conn: Conn;
  #items: Items;
  #batches = new Map<Scenario, Batch[]>();
  #batch: Batch = { pieces: [], replies: 0, count: 0 };
  #piece = 0;
  #waiting = false;
  #missing = 0;
  #heard: Uint8Array[] | undefined;
  #next: () => void = () => {};
  #fail: (error: unknown) => void = () => {};

  private constructor(conn: Conn, items: Items) {
    this.#conn = conn;
    this.#items = items;
    conn.ref();
    conn.start({
      data: (bytes) => {
        this.#heard?.push(bytes.slice());
        this.#missing -= bytes.length;
        if (this.#missing <= 0) this.#turn();
      },
      drain: () => {
        this.#waiting = false;
        this.#write();
        if (this.#missing <= 0) this.#turn();
      },
      end: (error) => this.#fail(error ?? new Error("The server hung up")),
      target: () => undefined,
    });
  }

  /** Connects. */
  static async open(
    { dial, parseServer }: Transport,
    port: number,
    items: Items,
  ): Promise<Floor> {
    const options: DialOptions = {
      signal: AbortSignal.timeout(5000),
      noDelay: true,
      keepAlive: false,
    };
    const address = parseServer(`127.0.0.1:${port}`);
    return new Floor(await dial(address, options), items);
  }

  /** Hears one batch and compares every byte of it, before anything is timed. */
  async check(scenario: Scenario): Promise<void> {
    const { keys, values } = this.#items;
    this.#heard = [];
    await this.run(scenario, 1);
    const text = this.#heard.map((bytes) => decoder.decode(bytes)).join("");
    this.#heard = undefined;
    const [batch] = this.#batchesOf(scenario);
    let at = 0;
    const expect = (line: string) => {
      if (!text.startsWith(line, at)) {
        throw new Error(`${scenario.name}: the floor's replies are wrong`);
      }
      at += line.length;
    };
    const { kind } = scenario;
    if (kind === "noreply") {
      expect(hit(values[(batch.count - 1) % keys.length]));
    } else if (kind === "many") {
      for (let i = 0; i < batch.count; i++) {
        const value = values[i];
        expect(`VALUE ${keys[i]} 16 ${value.length}\r\n${value}\r\n`);
      }
      expect("END\r\n");
    } else {
      for (let i = 0; i < batch.count; i++) {
        const stores = kind === "set" || (kind === "mix" && i % 10 === 9);
        expect(stores ? "STORED\r\n" : hit(values[i]));
      }
    }
    if (at !== text.length) {
      throw new Error(`${scenario.name}: the floor got more than it asked for`);
    }
  }

  /** Does at least `count` operations and resolves to how many it did. */
  run(scenario: Scenario, count: number): Promise<number> {
    const batches = this.#batchesOf(scenario);
    let done = 0;
    let at = 0;
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.#next = () => {
        done += this.#batch.count;
        if (done >= count) {
          this.#next = () => {};
          if (this.#missing < 0) reject(new Error("Too many bytes came"));
          else resolve(done);
        } else this.#begin(batches[at++ % batches.length]);
      };
      this.#begin(batches[at++]);
    });
  }

  /** Lets go of the connection. */
  close(): void {
    this.#conn.close();
  }

  #begin(batch: Batch): void {
    this.#batch = batch;
    this.#piece = 0;
    this.#missing = batch.replies;
    this.#write();
  }

  #write(): void {
    const { pieces } = this.#batch;
    while (!this.#waiting && this.#piece < pieces.length) {
      this.#waiting = !this.#conn.write(pieces[this.#piece++]);
    }
  }

  /** Goes on when all is written and all is answered. */
  #turn(): void {
    if (!this.#waiting && this.#piece === this.#batch.pieces.length) {
      this.#next();
    }
  }

  #batchesOf(scenario: Scenario): Batch[] {
    const known = this.#batches.get(scenario);
    if (known !== undefined) return known;
    const { keys } = this.#items;
    const size = scenario.kind === "noreply" || scenario.kind === "many"
      ? scenario.batch
      : scenario.callers;
    const batches: Batch[] = [];
    // As many as it takes to come by every key.
    for (let at = 0; batches.length === 0 || at < keys.length; at += size) {
      batches.push(this.#make(scenario, at, size));
    }
    this.#batches.set(scenario, batches);
    return batches;
  }

  #make({ kind }: Scenario, start: number, count: number): Batch {
    const { keys, values } = this.#items;
    const lines: string[] = [];
    let replies = 0;
    const get = (i: number) => {
      lines.push(`mg ${keys[i]} f v\r\n`);
      replies += hit(values[i]).length;
    };
    if (kind === "many") lines.push("get");
    for (let n = 0; n < count; n++) {
      const i = (start + n) % keys.length;
      const key = keys[i];
      const value = values[i];
      const set = (noreply: string) =>
        lines.push(
          `set ${key} 16 0 ${value.length}${noreply}\r\n${value}\r\n`,
        );
      if (kind === "noreply") set(" noreply");
      else if (kind === "many") {
        lines.push(` ${key}`);
        replies += `VALUE ${key} 16 ${value.length}\r\n\r\n`.length +
          value.length;
      } else if (kind === "set" || (kind === "mix" && n % 10 === 9)) {
        set("");
        replies += "STORED\r\n".length;
      } else get(i);
    }
    if (kind === "many") {
      lines.push("\r\n");
      replies += "END\r\n".length;
    }
    if (kind === "noreply") get((start + count - 1) % keys.length);
    const bytes = encoder.encode(lines.join(""));
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += PIECE) {
      pieces.push(bytes.subarray(at, at + PIECE));
    }
    return { pieces, replies, count };
  }
}

function hit(value: string): string {
  return `VA ${value.length} f16\r\n${value}\r\n`;
}
