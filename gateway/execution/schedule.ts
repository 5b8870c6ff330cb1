import type { SendFetch } from './fetch.ts';
import type { Run } from './fetch-target.ts';
import type { Fetch, Step } from './steps.ts';

/** Runs a step. Returns undefined if it completes synchronously. */
export type Runner<Context> = (run: ProgramRun<Context>) => Promise<void> | undefined;

/** An execution, with the requests that several steps wait for. */
export type ProgramRun<Context> = Run<Context> & { readonly shared: Map<Fetch, Promise<void> | undefined> };

/** Compiles the order of a program's fetches. */
export const createRunner = <Context>(step: Step, sendOf: (fetch: Fetch) => SendFetch<Context>): Runner<Context> => {
  switch (step.kind) {
    case 'nothing':
      return () => undefined;
    case 'fetch':
      return sendOf(step.fetch);
    case 'shared':
      return ({ shared }) => shared.get(step.fetch);
    case 'condition': {
      const whenTrue = createRunner(step.whenTrue, sendOf);
      const whenFalse = createRunner(step.whenFalse, sendOf);
      return (run) => (run.variables[step.variable] === true ? whenTrue(run) : whenFalse(run));
    }
    case 'sequence':
      return createSequence(step.steps.map((one) => createRunner(one, sendOf)));
    case 'parallel': {
      const shared = step.shared.map((fetch) => [fetch, sendOf(fetch)] as const);
      const runners = step.steps.map((one) => createRunner(one, sendOf));
      return (run) => {
        for (const [fetch, send] of shared) run.shared.set(fetch, send(run));
        const running = runners.flatMap((runner) => runner(run) ?? []);
        return running.length > 1 ? Promise.all(running).then(noop) : running[0];
      };
    }
  }
};

const createSequence = <Context>(runners: readonly Runner<Context>[]): Runner<Context> => {
  const from = (start: number, run: ProgramRun<Context>): Promise<void> | undefined => {
    for (let index = start; index < runners.length; index++) {
      const running = runners[index]?.(run);
      if (running) return index + 1 < runners.length ? running.then(() => from(index + 1, run)) : running;
    }
    return undefined;
  };
  return (run) => from(0, run);
};

const noop = (): void => {};
