/** The values of a series' labels; null for the series of all label sets beyond the maximum. */
export type Labels = readonly string[] | null;

type Node<Series> = { readonly children: Map<string, Node<Series>>; series: Series | undefined };

const createNode = <Series>(): Node<Series> => ({ children: new Map(), series: undefined });

/**
 * The series of one metric, by the values of its labels. If it has labels, one of its at most `max` series is for all label sets
 * that found no place. A tree of maps, because joining the values to one key would cost more than finding it.
 */
export class SeriesSet<Series> {
  readonly #max: number;
  readonly #create: () => Series;
  #root = createNode<Series>();
  #overflow: Series | undefined;
  #all: { readonly labels: Labels; readonly series: Series }[] = [];

  constructor({ max, create }: { readonly max: number; readonly create: () => Series }) {
    this.#max = max;
    this.#create = create;
  }

  /** Returns the series of a label set. */
  of(labels: Labels): Series {
    if (labels === null) return this.#rest();
    let node: Node<Series> | undefined = this.#root;
    for (const label of labels) {
      node = node.children.get(label);
      if (node === undefined) return this.#add(labels);
    }
    return node.series ?? this.#add(labels);
  }

  #add(labels: readonly string[]): Series {
    // The last place is for the rest.
    const places = labels.length === 0 || this.#overflow ? this.#max : this.#max - 1;
    if (this.#all.length >= places) return this.#rest();
    let node = this.#root;
    for (const label of labels) {
      const next = node.children.get(label) ?? createNode<Series>();
      node.children.set(label, next);
      node = next;
    }
    node.series = this.#create();
    this.#all.push({ labels, series: node.series });
    return node.series;
  }

  #rest(): Series {
    if (this.#overflow === undefined) {
      this.#overflow = this.#create();
      this.#all.push({ labels: null, series: this.#overflow });
    }
    return this.#overflow;
  }

  entries(): readonly { readonly labels: Labels; readonly series: Series }[] {
    return this.#all;
  }

  /** Removes all series. */
  clear(): void {
    this.#root = createNode();
    this.#overflow = undefined;
    this.#all = [];
  }
}
