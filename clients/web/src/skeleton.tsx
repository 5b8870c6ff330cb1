/** Grey rows in the place of a list that is being loaded. */
export const SkeletonRows = ({ count }: { count: number }) => (
  <div className="skeleton rows" aria-hidden="true">
    {Array.from({ length: count }, (_, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same.
      <div key={index}>
        <i />
        <i />
      </div>
    ))}
  </div>
);

/** A customer's page while it is being loaded. */
export const SkeletonPage = () => (
  <div className="skeleton" aria-hidden="true">
    <i className="heading" />
    <div className="card">
      <i />
      <i />
    </div>
    <div className="columns">
      <SkeletonRows count={4} />
      <SkeletonRows count={4} />
    </div>
  </div>
);
