#' Smallest difference of accuracies that the article's comparison with direct classification is held to.
DIRECT_MARGIN <- 0.10
#' Difference of accuracies up to which one trunk is not worse than another.
TRUNK_MARGIN <- 0.05
#' Thresholds that section 3 of the article calls appropriate.
CLAIMED_RANGE <- c(0.4, 0.7)

#' Every claim of the article, with our effect, the verdict by rule, and what the article's own numbers support.
#'
#' Verdicts: `holds`, `reversed`, `not shown`, or `true by construction`; the rule of each claim is in ANALYSIS_PLAN.md.
#'
#' @param results Named list of data frames as of [read_results()].
#' @param contrasts Data frame as of [compute_contrasts()].
#' @param best_threshold Data frame as of [compute_best_threshold()].
#' @param paper Data frame as of [read_paper_results()].
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `claim`, `part`, `effect_name`, `effect`, `low`, `high`, `p_holm`, `verdict`, `note`, `paper`
#'   (what the article's numbers give, in words), `paper_support`.
compute_claims <- function(results, contrasts, best_threshold, paper, weights) {
  definitions <- list_contrasts(results$variants)
  claim_question <- function(question, claim, margin) {
    of_question <- definitions$question == question
    claim_contrasts(contrasts[of_question, ], paper, claim, definitions$part[of_question], margin)
  }
  rbind(
    claim_question("mode", "Adaptive learning is better than training without it, with both trunks", 0),
    claim_question(
      "direct", paste("Characterising features is better than classifying directly, by more than", DIRECT_MARGIN),
      DIRECT_MARGIN
    ),
    claim_question("tuning", "A fine-tuned direct network is better than a frozen one", 0),
    claim_question(
      "trunk", sprintf("VGG16 is at least as good as ResNet-50 (not worse by %s or more)", TRUNK_MARGIN), -TRUNK_MARGIN
    ),
    claim_best_threshold(best_threshold, paper),
    claim_global_dice(results, paper, weights),
    claim_patient_level(results, paper, weights),
    claim_neighbours(results$categories, find_main_variant(results$variants)),
    claim_small_lesions(results, weights)
  )
}

#' One row of [compute_claims()].
#' @param claim,part,effect_name,effect,low,high,verdict,p_holm,note,paper,paper_support Its columns.
new_claim <- function(claim, part, effect_name, effect, low, high, verdict, p_holm = NA_real_, note = "",
                      paper = "no number printed", paper_support = "no number printed") {
  data.frame(claim, part, effect_name, effect, low, high, p_holm, verdict, note, paper, paper_support)
}

#' Verdict on an effect with its 95 % limits.
#'
#' @param low,high Limits; NA where there are none.
#' @param holds_above The claim holds if the lower limit is above this.
#' @param reversed_below It is reversed if the upper limit is below this.
#' @param significant Whether the test of the claim allows a verdict.
#' @return "holds", "reversed" or "not shown".
decide_claim <- function(low, high, holds_above = 0, reversed_below = 0, significant = TRUE) {
  if (isTRUE(high < reversed_below && significant)) {
    "reversed"
  } else if (isTRUE(low > holds_above && significant)) {
    "holds"
  } else {
    "not shown"
  }
}

#' Claims that are named contrasts; with several parts, a last row on all of them together.
#'
#' @param contrasts Rows as of [compute_contrasts()]; there is no claim without one.
#' @param paper Data frame as of [read_paper_results()].
#' @param claim,parts Words.
#' @param margin Difference that is claimed to be exceeded. Except below 0, the adjusted p must be below 0.05, too.
claim_contrasts <- function(contrasts, paper, claim, parts, margin) {
  if (nrow(contrasts) == 0) {
    return(NULL)
  }
  rows <- lapply(seq_len(nrow(contrasts)), function(i) {
    one <- contrasts[i, ]
    significant <- margin < 0 || isTRUE(one$p_holm < 0.05)
    printed <- describe_paper_support(paper, one$first, one$second, margin)
    new_claim(
      claim, parts[i], "difference of accuracies", one$difference, one$low, one$high,
      decide_claim(one$low, one$high, margin, 0, significant), one$p_holm,
      if (is.na(one$gap)) "" else paste("not in this run:", one$gap), printed$text, printed$support
    )
  })
  table <- do.call(rbind, rows)
  if (nrow(table) == 1) {
    return(table)
  }
  common <- function(values) if (length(unique(values)) == 1) values[1] else NA_character_
  verdict <- common(table$verdict)
  printed <- table$paper_support[table$paper_support != "no number printed"]
  support <- if (length(printed) == 0) "no number printed" else common(printed)
  rbind(table, new_claim(
    claim, "both together", "", NA_real_, NA_real_, NA_real_, if (is.na(verdict)) "not shown" else verdict,
    paper = "", paper_support = if (is.na(support)) "undetermined" else support
  ))
}

#' What the article's two accuracies support, in words.
#'
#' @param paper Data frame as of [read_paper_results()].
#' @param first,second Variants.
#' @param margin As for [compute_paper_support()].
#' @return List of `text` and `support`.
describe_paper_support <- function(paper, first, second, margin) {
  correct <- lapply(c(first, second), function(variant) find_printed_correct(paper, variant))
  if (any(vapply(correct, nrow, integer(1)) == 0) || correct[[1]]$n != correct[[2]]$n) {
    return(list(text = "no number printed", support = "no number printed"))
  }
  n <- correct[[1]]$n
  bounds <- compute_paper_support(correct[[1]]$correct, correct[[2]]$correct, n, margin)
  text <- sprintf(
    "%s/%s against %s/%s: %s; over all overlaps, exact p from %s to %s, lower 95 %% limit from %s to %s",
    correct[[1]]$correct, n, correct[[2]]$correct, n, format_number(bounds$difference, 3), format_p(bounds$p_low),
    format_p(bounds$p_high), format_number(bounds$low_min, 3), format_number(bounds$low_max, 3)
  )
  support <- bounds$support
  if (margin > 0) {
    of_any <- compute_paper_support(correct[[1]]$correct, correct[[2]]$correct, n)$support
    support <- sprintf("%s; above 0: %s", support, of_any)
  }
  list(text = text, support = support)
}

#' The best threshold lies where the article says.
#' @param best Data frame as of [compute_best_threshold()].
#' @param paper Data frame as of [read_paper_results()].
claim_best_threshold <- function(best, paper) {
  is_inside <- best$threshold >= CLAIMED_RANGE[1] - 1e-9 & best$threshold <= CLAIMED_RANGE[2] + 1e-9
  share <- sum(best$share[is_inside])
  printed <- vapply(c("average Dice", "median Dice"), function(quantity) {
    rows <- select_paper(paper, quantity, "Table 4")
    c(rows$level[which.max(rows$number)], NA)[1]
  }, character(1))
  new_claim(
    sprintf("The best threshold lies from %s to %s", CLAIMED_RANGE[1], CLAIMED_RANGE[2]), "",
    "share of resamples with the best average Dice there", share, NA_real_, NA_real_,
    if (share >= 0.95) "holds" else if (share <= 0.05) "reversed" else "not shown",
    note = paste("best on these patients:", format_level(best$threshold[best$is_best])),
    paper = sprintf("best average at %s, best median at %s; no spread is printed", printed[1], printed[2]),
    paper_support = "undetermined"
  )
}

#' Global Dice is above average (local) Dice, over the thresholds of Table 4.
#' @param results Named list of data frames.
#' @param paper Data frame as of [read_paper_results()].
#' @param weights Matrix as of [draw_patient_weights()].
claim_global_dice <- function(results, paper, weights) {
  printed <- select_paper(paper, "average Dice", "Table 4")$level
  counts <- results$pixel_counts[results$pixel_counts$group == "positive", ]
  dice <- results$dice_by_threshold
  levels <- intersect(intersect(printed, format_level(counts$threshold)), format_level(dice$threshold))
  differences <- lapply(levels, function(level) {
    local <- dice[format_level(dice$threshold) == level, ]
    at <- counts[format_level(counts$threshold) == level, ]
    numerator <- 2 * at$tp
    denominator <- 2 * at$tp + at$fp + at$fn
    sum_of <- function(values, rows) sum_by_patient(values, rows$patient_id, weights)
    list(
      value = sum(numerator) / sum(denominator) - mean(local$dice),
      resampled = resample_ratio(sum_of(numerator, at), sum_of(denominator, at), weights) -
        resample_ratio(sum_of(local$dice, local), sum_of(rep(1, nrow(local)), local), weights)
    )
  })
  mean_of <- function(name) Reduce(`+`, lapply(differences, `[[`, name)) / length(differences)
  interval <- data.frame(low = NA_real_, high = NA_real_)
  if (length(levels) > 0) interval <- compute_bootstrap_interval(mean_of("resampled"))
  new_claim(
    "Global Dice is higher than average (local) Dice", "", "mean difference over the thresholds of Table 4",
    if (length(levels) > 0) mean_of("value") else NA_real_, interval$low, interval$high,
    decide_claim(interval$low, interval$high),
    note = if (length(levels) == 0) "voxel counts and Dice share no threshold of Table 4" else ""
  )
}

#' Detection is better at patient level than at lesion level, at each fold's chosen threshold.
#' @param results Named list of data frames.
#' @param paper Data frame as of [read_paper_results()].
#' @param weights Matrix as of [draw_patient_weights()].
claim_patient_level <- function(results, paper, weights) {
  claim <- "Detection is better at patient level than at lesion level"
  lesions <- select_at_chosen(results$lesion_detection, results$fold_thresholds)
  patients <- select_at_chosen(results$patient_detection, results$fold_thresholds)
  part <- function(part, positives_only, false, name) {
    of_lesions <- lesions[!positives_only | lesions$group == "positive", ]
    of_patients <- patients[!positives_only | patients$group == "positive", ]
    sums <- function(values, rows) sum_by_patient(values, rows$patient_id, weights)
    is_reference <- of_lesions$kind == "reference"
    lesion_tp <- sums(is_reference & of_lesions$matched == 1, of_lesions)
    patient_tp <- sums(of_patients$detected, of_patients)
    if (false == "negative") {
      lesion_false <- sums(is_reference & of_lesions$matched == 0, of_lesions)
      patient_false <- sums(of_patients$has_reference == 1 & of_patients$detected == 0, of_patients)
    } else {
      lesion_false <- sums(!is_reference & of_lesions$matched == 0, of_lesions)
      patient_false <- sums(of_patients$has_reference == 0 & of_patients$has_prediction == 1, of_patients)
    }
    difference <- function(weights) {
      resample_ratio(patient_tp, patient_tp + patient_false, weights) -
        resample_ratio(lesion_tp, lesion_tp + lesion_false, weights)
    }
    effect <- difference(matrix(1, nrow(weights), 1))
    interval <- compute_bootstrap_interval(difference(weights))
    by_construction <- false == "positive" && all(of_patients$has_reference == 1)
    printed <- describe_paper_detection(paper, name, by_construction)
    new_claim(
      claim, part, paste("difference of", name), if (is.finite(effect)) effect else NA_real_, interval$low,
      interval$high,
      if (by_construction) "true by construction" else decide_claim(interval$low, interval$high),
      note = if (nrow(of_lesions) == 0) "no lesion detection at the chosen thresholds" else "",
      paper = if (positives_only) printed$text else "no number printed",
      paper_support = if (positives_only) printed$support else "no number printed"
    )
  }
  rbind(
    part("recall, positive patients", TRUE, "negative", "recall"),
    part("precision, positive patients", TRUE, "positive", "precision"),
    part("precision, with the negative patients", FALSE, "positive", "precision")
  )
}

#' What the text prints of Fig. 13 supports.
#'
#' @param paper Data frame as of [read_paper_results()].
#' @param quantity "recall" or "precision".
#' @param by_construction Whether the quantity at patient level is.
#' @return List of `text` and `support`.
describe_paper_detection <- function(paper, quantity, by_construction) {
  rows <- paper[paper$item == "Fig. 13" & paper$quantity == quantity & !is.na(paper$number), ]
  patient <- rows[rows$level == "patient", ]
  lesion <- rows[startsWith(rows$level, "lesion"), ]
  if (nrow(patient) == 0 || nrow(lesion) == 0) {
    return(list(text = "no number printed", support = "no number printed"))
  }
  text <- sprintf(
    "about %s of %s patients against %s of %s lesions", patient$value, patient$n,
    paste(unique(range(lesion$number)), collapse = " to "), lesion$n[1]
  )
  if (by_construction) {
    return(list(text = text, support = "true by construction"))
  }
  low <- compute_proportion_difference(patient$number, patient$n, lesion$number, lesion$n)$low
  support <- if (all(low > 0)) "supported" else if (!any(low > 0)) "not supported" else "undetermined"
  list(text = text, support = support)
}

#' Most wrong categories are neighbours of the right one, on reference regions.
#' @param categories Data frame as categories.csv.
#' @param variant Name of the variant whose errors are looked at.
claim_neighbours <- function(categories, variant) {
  rows <- select_scoring(categories[categories$variant == variant, ], "reference_regions")
  shift <- abs(as.integer(rows$category_pred) - as.integer(rows$category_ref))
  # A lesion without a category (LR-NC) has no neighbour.
  wrong <- shift %in% 1:2
  share <- compute_clustered_proportion(shift[wrong] == 1, rows$patient_id[wrong])
  new_claim(
    "Most errors lie between neighbouring categories", "", paste("share of the errors of", variant), share$proportion,
    share$low, share$high, decide_claim(share$low, share$high, 0.5, 0.5),
    note = if (nrow(rows) == 0) {
      paste("not in this run:", variant)
    } else {
      paste(share$successes, "of", share$n, "errors")
    }
  )
}

#' Small lesions drag the average Dice down, at each fold's chosen threshold.
#' @param results Named list of data frames.
#' @param weights Matrix as of [draw_patient_weights()].
claim_small_lesions <- function(results, weights) {
  chosen <- select_at_chosen(results$dice_by_threshold, results$fold_thresholds)
  largest <- tapply(results$lesions$diameter_mm, results$lesions$patient_id, max)[chosen$patient_id]
  is_large <- as.vector(largest) >= 20
  known <- !is.na(is_large)
  sums <- function(values) sum_by_patient(values[known], chosen$patient_id[known], weights)
  difference <- function(weights) {
    resample_ratio(sums(chosen$dice * is_large), sums(is_large), weights) -
      resample_ratio(sums(chosen$dice * !is_large), sums(!is_large), weights)
  }
  effect <- difference(matrix(1, nrow(weights), 1))
  interval <- compute_bootstrap_interval(difference(weights))
  new_claim(
    "Small lesions drag the average Dice down", "",
    "average Dice of patients whose largest lesion has 20 mm or more, minus that of the others",
    if (is.finite(effect)) effect else NA_real_, interval$low, interval$high,
    decide_claim(interval$low, interval$high)
  )
}
