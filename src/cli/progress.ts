/**
 * How far something long has come: a bar where someone looks.
 *
 * @module
 */

import process from "node:process";
import progress from "cli-progress";
import type { Terminal } from "./terminal.ts";
import { countText } from "./text.ts";

/** What we use of the package, which has no types of its own. */
interface Bar {
  start(total: number, value: number, payload: object): void;
  update(value: number, payload: object): void;
  stop(): void;
}
interface Package {
  readonly SingleBar: new (options: object, preset: object) => Bar;
  readonly Presets: { readonly shades_classic: object };
}

const { SingleBar, Presets } = progress as unknown as Package;

/** Milliseconds that the rate is of. */
const WINDOW = 3000;

/** A bar with the items so far, their rate and the time that is left. */
export class Progress {
  readonly #bar: Bar | undefined;
  readonly #total: number;
  readonly #first: number;
  readonly #begun: number = performance.now();
  readonly #past: [time: number, items: number][] = [];

  /** Shows it, unless nobody looks. */
  constructor(terminal: Terminal, title: string, total: number, value = 0) {
    this.#total = total;
    this.#first = value;
    if (!terminal.isError || total === 0) return;
    this.#bar = new SingleBar({
      stream: process.stderr,
      format:
        `${title} {bar} {percentage}% | {items} items | {rate}/s | {left} left`,
      barsize: 24,
      fps: 5,
      hideCursor: true,
    }, Presets.shades_classic);
    this.#bar.start(total, value, { items: "0", rate: "0", left: "?" });
  }

  /** Tells how far it is, and of how many items. */
  update(value: number, items: number): void {
    if (this.#bar === undefined) return;
    const now = performance.now();
    this.#past.push([now, items]);
    while (this.#past.length > 2 && this.#past[0][0] < now - WINDOW) {
      this.#past.shift();
    }
    const [time, before] = this.#past[0];
    const seconds = (now - time) / 1000;
    const rate = seconds > 0 ? (items - before) / seconds : 0;
    const done = value - this.#first;
    const left = done > 0
      ? (this.#total - value) * (now - this.#begun) / 1000 / done
      : Infinity;
    this.#bar.update(Math.min(value, this.#total), {
      items: countText(items),
      rate: countText(rate),
      left: timeLeft(left),
    });
  }

  /** Ends it, and leaves it as it is. */
  stop(): void {
    this.#bar?.stop();
  }
}

function timeLeft(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const s = Math.ceil(seconds);
  const two = (part: number) => String(part).padStart(2, "0");
  return s < 3600
    ? `${Math.floor(s / 60)}:${two(s % 60)}`
    : `${Math.floor(s / 3600)}:${two(Math.floor(s % 3600 / 60))}:${
      two(s % 60)
    }`;
}
