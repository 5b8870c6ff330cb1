/** Placeholder rows of a list that is loading. */
export const SkeletonRows = ({ count }: { count: number }) => (
  <div className="skeleton rows" aria-hidden="true">
    {Array.from({ length: count }, (_, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: the rows are identical.
      <div key={index}>
        <i />
        <i />
      </div>
    ))}
  </div>
);

/** The placeholder of a customer's page that is loading. */
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
