/** The answers of the server of `cohortfarm browse`, which its page reads. Lists of cells are columns: one entry for each cell. */

/** Images on a page of the browser. */
export const PAGE_SIZE = 48;

/** A query parameter `is.AXIS=VALUE` keeps the cells with that value; an axis that is not named keeps all. */
export const WHERE = 'is.';

export interface AxisView {
  readonly name: string;
  /** In order of the grid. */
  readonly values: readonly string[];
  /** For each cell the position in `values`. */
  readonly ofCell: readonly number[];
}

export interface GateView {
  readonly name: string;
  /** Null for what the worker refuses by itself. */
  readonly axis: string | null;
  readonly rule: string;
}

/** Counts by cell. wanted = accepted + exhausted + still to come. */
export interface CellCounts {
  readonly wanted: readonly number[];
  readonly accepted: readonly number[];
  readonly exhausted: readonly number[];
  /** Images generated. */
  readonly attempts: readonly number[];
  /** Rejected images by the gate that refused them first; gates that refused none are left out. */
  readonly rejected: Readonly<Record<string, readonly number[]>>;
}

/** A number with the ends of its 95 % interval. */
export interface EstimateView {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
}

/** Metrics of a model, or of an arm of a comparison, at a site; null for what could not be measured. */
export interface ResultView {
  readonly name: string;
  readonly site: string;
  readonly auroc: EstimateView | null;
  readonly accuracy: EstimateView | null;
  readonly calibrationError: EstimateView | null;
  readonly underdiagnosis: EstimateView | null;
  /** The underdiagnosis gap between groups. */
  readonly gap: EstimateView | null;
}

/** A training stage that has results. */
export interface TrainingView {
  readonly name: string;
  readonly headline: Readonly<Record<string, number>>;
  /** Results of models by site. */
  readonly evaluations: readonly ResultView[];
  /** Results of the compared ways to train, by site. */
  readonly arms: readonly ResultView[];
  /** Why its results cannot be shown. */
  readonly problem: string | null;
}

export interface DatasetView {
  readonly uri: string;
  readonly name: string;
  readonly title: string;
  readonly state: 'published' | 'running';
  readonly axes: readonly AxisView[];
  readonly cells: CellCounts;
  readonly gates: readonly GateView[];
  readonly shards: { readonly committed: number; readonly total: number };
  /** Rejected images kept for each cell, at most. */
  readonly keepRejected: number;
  /** Whether images have feature vectors, which say how alike they are. */
  readonly hasFeatures: boolean;
  /** Provenance of the images, in order: terms and values. */
  readonly provenance: readonly (readonly [term: string, value: string])[];
  readonly training: readonly TrainingView[];
}

/** A gate's score of an image, and what it had to be. */
export interface ScoreView {
  readonly gate: string;
  /** Probability of the wanted class, or the predicted number; null for a value that is not a number. */
  readonly score: number | null;
  /** The scores that pass: at least `low` and at most `high`. */
  readonly low: number;
  readonly high: number;
  /** The ends of the meter. */
  readonly from: number;
  readonly to: number;
  /** Whether the score lies between them; a gate may ask for more, such as the likeliest class. */
  readonly within: boolean;
}

/** One wanted image in a gallery. */
export interface SampleView {
  readonly key: string;
  readonly axes: Readonly<Record<string, string>>;
  /** `unreadable` when its bytes are not what they should be; `problem` says why. */
  readonly state: 'accepted' | 'exhausted' | 'pending' | 'unreadable';
  readonly prompt?: string;
  readonly attempt?: number;
  readonly problem?: string;
}

export interface SamplesView {
  /** Wanted images of the selected cells. */
  readonly total: number;
  /** The first is 0. */
  readonly page: number;
  readonly samples: readonly SampleView[];
}

/** An image that a gate refused before the accepted one. */
export interface RefusedAttempt {
  readonly attempt: number;
  readonly seed: number;
  readonly gate: string;
  readonly scores: readonly ScoreView[];
  /** Place of the image, where it was kept. */
  readonly rejected: string | null;
}

/** Everything about one image. */
export interface SampleDetail extends SampleView {
  readonly exact: Readonly<Record<string, number>>;
  readonly seed?: number;
  readonly scores?: readonly ScoreView[];
  readonly attempts: readonly RefusedAttempt[];
  readonly sourceId?: string;
  readonly facts: readonly (readonly [term: string, value: string])[];
  /** Command that makes the image again; absent while the dataset is not published. */
  readonly replay?: string;
}

/** A rejected image that was kept. */
export interface RejectedView {
  /** `CELL/PLACE`. */
  readonly id: string;
  readonly key: string;
  readonly axes: Readonly<Record<string, string>>;
  readonly exact: Readonly<Record<string, number>>;
  readonly prompt: string;
  readonly seed: number;
  readonly attempt: number;
  readonly gate: string;
  readonly scores: readonly ScoreView[];
}

export interface RejectedPage {
  readonly rejected: readonly RejectedView[];
  /** The value of `after` for the next page; null at the end. */
  readonly next: string | null;
}

/** The images that a comparison is among. */
export interface Compared {
  readonly images: number;
  /** Wanted images, where only the first of the plan are compared; its order is stratified. Null where all are. */
  readonly of: number | null;
}

/** An image of a map. */
export interface MapPoint {
  readonly key: string;
  readonly axes: Readonly<Record<string, string>>;
  readonly x: number;
  readonly y: number;
}

/** Images of the selection in the plane in which their features differ most. */
export interface MapView extends Compared {
  readonly points: readonly MapPoint[];
  /** Share of the variance along x and y. */
  readonly shares: readonly [number, number];
}

/** A training image near to a synthetic one, by the SHA-256 of its file. */
export interface NearTraining {
  readonly image: string;
  /** Cosine distance of the features. */
  readonly distance: number;
}

/** Another image of the cohort. */
export interface NearOther {
  readonly key: string;
  readonly distance: number;
}

/** The source of distances to training images: a reference that is given, or what the dataset says of some of its images. */
export type TrainingBasis = 'reference' | 'evidence' | 'gate';

export interface NearView extends Compared {
  readonly training: (NearTraining & { readonly basis: TrainingBasis }) | null;
  readonly other: NearOther | null;
}

/** The images of the selection that look most like a training image, and most like another one of the selection. */
export interface SuspiciousView extends Compared {
  readonly training: {
    /** Null where nothing is known of training images. */
    readonly basis: TrainingBasis | null;
    /** Images that were compared. */
    readonly images: number;
    readonly found: readonly (NearTraining & Pick<MapPoint, 'key' | 'axes'>)[];
  };
  readonly others: readonly (Pick<MapPoint, 'key' | 'axes'> & { readonly other: NearOther })[];
}

/** Any other answer. */
export interface Problem {
  readonly error: string;
}
