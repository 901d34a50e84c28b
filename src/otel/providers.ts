/**
 * Where spans and metrics go: the providers that were given, else the global
 * ones, which may be set after us.
 *
 * @module
 */

import {
  createNoopMeter,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  ProxyTracerProvider,
  trace,
  type Tracer,
  type TracerProvider,
} from "@opentelemetry/api";
import { VERSION } from "../cli/version.ts";
import { BOUNDS } from "./attributes.ts";
import { attempt } from "./guard.ts";
import type { AnyMeterProvider, AnyTracerProvider } from "./options.ts";

/** The name of what makes the spans and metrics. */
const SCOPE = "@x/memcache";

/** The meter that does nothing. */
const NOOP = createNoopMeter();

/** Makes a histogram of seconds. */
export function seconds(
  meter: Meter,
  name: string,
  description: string,
): Histogram {
  return meter.createHistogram(name, {
    description,
    unit: "s",
    advice: { explicitBucketBoundaries: [...BOUNDS] },
  });
}

/** The tracer of the provider that there is now. */
export class TracerSource {
  readonly #given: TracerProvider | undefined;
  #provider: TracerProvider | undefined = undefined;
  #tracer: Tracer | undefined = undefined;

  /** Takes a provider, or none for the global one. */
  constructor(provider: AnyTracerProvider | undefined) {
    // Any version 1 has what we call.
    this.#given = provider as TracerProvider | undefined;
  }

  /** Its tracer, `undefined` as long as there is no provider. */
  get(): Tracer | undefined {
    const provider = this.#given ?? trace.getTracerProvider();
    if (provider !== this.#provider) {
      this.#provider = provider;
      this.#tracer = provider instanceof ProxyTracerProvider
        ? undefined
        : attempt(() => provider.getTracer(SCOPE, VERSION));
    }
    // The one that stands for the global one says whether there is one.
    if (
      this.#tracer === undefined && provider instanceof ProxyTracerProvider
    ) this.#tracer = attempt(() => provider.getDelegateTracer(SCOPE, VERSION));
    return this.#tracer;
  }
}

/** Instruments of the provider that there is now. */
export class MeterSource<T> {
  readonly #given: MeterProvider | undefined;
  readonly #make: (meter: Meter) => T;
  #provider: MeterProvider | undefined = undefined;
  #made: T | undefined = undefined;

  /** Takes a provider, or none for the global one, and what makes them. */
  constructor(
    provider: AnyMeterProvider | undefined,
    make: (meter: Meter) => T,
  ) {
    // Any version 1 has what we call.
    this.#given = provider as MeterProvider | undefined;
    this.#make = make;
  }

  /** The instruments, `undefined` as long as there is no provider. */
  get(): T | undefined {
    // The API has no meter that waits for a provider, as it has a tracer.
    const provider = this.#given ?? metrics.getMeterProvider();
    if (provider !== this.#provider) {
      this.#provider = provider;
      this.#made = attempt(() => {
        const meter = provider.getMeter(SCOPE, VERSION);
        return meter === NOOP ? undefined : this.#make(meter);
      });
    }
    return this.#made;
  }
}
