/** Adds to a request's loaders the way to forget what they have loaded, for after a write that has changed it. */
export const forgettable = <Loaders extends Readonly<Record<string, { clearAll: () => unknown }>>>(
  loaders: Loaders,
) => ({
  ...loaders,
  forgetAll: (): void => {
    for (const loader of Object.values(loaders)) loader.clearAll();
  },
});
