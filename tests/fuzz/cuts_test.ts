/**
 * Transcripts of every kind, cut and ended at every position. What is there is
 * believed, what is not there fails, and nothing hangs.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { MemcacheError } from "@x/memcache";
import { test } from "../_runtime.ts";
import { signaturesOf } from "./_signatures.ts";
import { FakeClock, pass, STEP, turns, withChance } from "./_clock.ts";
import { Stage, TIMEOUT } from "./_stage.ts";
import { FORM, type Transcript, TRANSCRIPTS } from "./_transcripts.ts";

/** How many positions are tried at the same time. */
const GROUP = 400;

/** What became of a call, to be compared. */
function outcome({ value, error }: { value?: unknown; error?: unknown }) {
  if (error === undefined) return { value };
  assert(error instanceof MemcacheError, String(error));
  return { error: error.code };
}

/** The replies of a transcript, what each call makes of them, and from where on. */
interface Whole {
  readonly text: string;
  readonly outcomes: ReadonlyArray<ReturnType<typeof outcome>>;
  readonly ends: readonly number[];
}

async function begin({ world, options, warm }: Transcript): Promise<Stage> {
  const stage = new Stage(world(), FORM, options);
  if (warm) {
    // A key of bytes has the version asked, as stores without reply have.
    const ready = stage.client.meta.debug(new Uint8Array([0])).catch(() => {});
    for (let asked = 0; asked < 3; asked++) {
      await turns(2);
      stage.deliver([stage.owed.join("")], () => false);
    }
    await ready;
  }
  return stage;
}

/** Makes the calls of many stages; their servers now owe the replies. */
async function call(transcript: Transcript, count: number): Promise<Stage[]> {
  const stages: Stage[] = [];
  for (let i = 0; i < count; i++) stages.push(await begin(transcript));
  for (const stage of stages) {
    for (const call of transcript.calls) stage.call(call, undefined);
  }
  await turns(2);
  return stages;
}

async function playWhole(transcript: Transcript): Promise<Whole> {
  const [stage] = await call(transcript, 1);
  const commands = stage.first?.commands.slice(-stage.owed.length) ?? [];
  const replies = stage.owed;
  stage.deliver([replies.join("")], () => false);
  await turns(2);
  assert(stage.settled, transcript.name);
  await stage.client.close();
  let at = 0;
  const places = commands.map((command, i) => {
    at += replies[i].length;
    return { signatures: signaturesOf(command), end: at };
  });
  const ends = transcript.calls.map(({ signatures }) => {
    let end = 0;
    for (const signature of signatures) {
      const place = places.findIndex(({ signatures }) =>
        signatures.includes(signature)
      );
      assert(place >= 0, `${transcript.name} sent no ${signature}`);
      // The same once more is another command's, or another place of a line.
      const own = places[place].signatures;
      own.splice(own.indexOf(signature), 1);
      end = Math.max(end, places[place].end);
    }
    return end;
  });
  return { text: replies.join(""), outcomes: stage.running.map(outcome), ends };
}

/** Plays a transcript once for each position of its replies. */
async function atEveryPosition(
  transcript: Transcript,
  play: (stages: readonly Stage[], from: number, whole: Whole) => Promise<void>,
): Promise<number> {
  const whole = await playWhole(transcript);
  const { length } = whole.text;
  for (let from = 0; from <= length; from += GROUP) {
    const stages = await call(transcript, Math.min(GROUP, length + 1 - from));
    for (const stage of stages) assertEquals(stage.owed.join(""), whole.text);
    await play(stages, from, whole);
    for (const stage of stages) {
      await stage.client.close();
      assertEquals([stage.fault, stage.leaks()], [undefined, undefined]);
    }
  }
  return length + 1;
}

async function everywhere(
  play: (
    transcript: Transcript,
    clock: FakeClock,
  ) => Parameters<typeof atEveryPosition>[1],
): Promise<number> {
  let positions = 0;
  for (const transcript of TRANSCRIPTS) {
    const clock = new FakeClock();
    await withChance(0.5, () =>
      clock.during(async () => {
        positions += await atEveryPosition(transcript, play(transcript, clock));
      }));
    assertEquals(clock.timers, 0, transcript.name);
  }
  return positions;
}

test(
  "Client makes the same of two pieces as of one, wherever they are cut",
  async () => {
    assertLess(39, TRANSCRIPTS.length);
    const positions = await everywhere(
      ({ name }) => async (stages, from, whole) => {
        const { text, outcomes } = whole;
        for (const [i, stage] of stages.entries()) {
          const at = from + i;
          stage.deliver([text.slice(0, at)], () => at % 2 > 0);
        }
        await turns(1);
        for (const [i, stage] of stages.entries()) {
          const at = from + i;
          stage.deliver([text.slice(at)], () => at % 2 > 0);
        }
        await turns(2);
        for (const [i, stage] of stages.entries()) {
          const about = `${name}, cut at ${from + i}`;
          assert(stage.settled, about);
          assertEquals(stage.running.map(outcome), outcomes, about);
          assertEquals(stage.lines.length, 1, about);
        }
      },
    );
    assertLess(10_000, positions);
  },
  { timeout: 120_000 },
);

/** The hits of a reply that what is read behind them proves, as far as it came. */
function provenHits(text: string, at: number): Map<string, string> {
  const hits = new Map<string, string>();
  const line = /VALUE (\S+) (\d+) (\d+)\r\n|END\r\n/y;
  let held: [string, string] | undefined;
  for (;;) {
    const match = line.exec(text);
    const data = line.lastIndex;
    if (match?.[1] !== undefined) line.lastIndex += Number(match[3]) + 2;
    if (match === null || line.lastIndex > at) return hits;
    if (held !== undefined) hits.set(...held);
    if (match[1] === undefined) return hits;
    held = [match[1], `${match[2]} ${text.slice(data, line.lastIndex - 2)}`];
  }
}

test(
  "Client believes what came before the end of a connection, wherever it ends",
  async () => {
    const kept = new Set<number>();
    const positions = await everywhere(
      ({ name, calls, options }, clock) =>
      async (stages, from, { text, outcomes, ends }) => {
        for (const [i, stage] of stages.entries()) {
          stage.deliver([text.slice(0, from + i)], () => i % 2 > 0);
        }
        await turns(1);
        for (const [i, stage] of stages.entries()) {
          stage.first?.pipe.end(i % 3 > 1 ? new Error("reset") : undefined);
        }
        await turns(2);
        // Not one call needs its timeout to end.
        for (let ms = 0; ms < TIMEOUT / 2; ms += STEP) {
          if (stages.every(({ settled }) => settled)) break;
          await pass(clock, STEP);
        }
        for (const [i, stage] of stages.entries()) {
          const at = from + i;
          const about = `${name}, ended at ${at}`;
          assert(stage.settled, about);
          for (const [n, running] of stage.running.entries()) {
            const told = outcome(running);
            if (at >= ends[n]) {
              assertEquals(told, outcomes[n], `${about}: ${calls[n].name}`);
            } else if (options.errorsAsMisses) {
              // Errors are misses there, but hits that were proven are kept.
              if (!(told.value instanceof Map)) continue;
              assertEquals(told.value, provenHits(text, at), about);
              kept.add(told.value.size);
            } else if (told.error === undefined) {
              assertEquals(told, outcomes[n], `${about}: ${calls[n].name}`);
            }
          }
        }
      },
    );
    assertLess(10_000, positions);
    assertEquals([...kept].sort(), [0, 1, 2, 3]);
  },
  { timeout: 120_000 },
);
