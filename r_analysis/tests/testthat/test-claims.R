paper <- read_paper_results(paper_path)

test_that("a verdict needs an interval on one side", {
  expect_identical(decide_claim(0.01, 0.2), "holds")
  expect_identical(decide_claim(-0.01, 0.2), "not shown")
  expect_identical(decide_claim(-0.2, -0.01), "reversed")
  expect_identical(decide_claim(0, 0.2), "not shown")
  expect_identical(decide_claim(NA, NA), "not shown")
  expect_identical(decide_claim(0.05, 0.2, holds_above = 0.1), "not shown")
  expect_identical(decide_claim(0.11, 0.2, holds_above = 0.1), "holds")
  # Better, but by less than claimed, is not the reverse.
  expect_identical(decide_claim(0.02, 0.08, holds_above = 0.1), "not shown")
  expect_identical(decide_claim(0.01, 0.2, significant = FALSE), "not shown")
})

contrast <- function(low, high, p, gap = NA) {
  data.frame(
    contrast = "c", first = "vgg16-adaptive", second = "vgg16-plain", difference = (low + high) / 2, low, high,
    p_holm = p, gap
  )
}

test_that("a claim of two parts holds if both do, and the adjusted p counts", {
  verdicts <- function(first, second) claim_contrasts(rbind(first, second), paper, "c", c("a", "b"), 0)$verdict
  good <- contrast(0.02, 0.2, 0.01)
  expect_identical(verdicts(good, good), c("holds", "holds", "holds"))
  expect_identical(verdicts(good, contrast(0.02, 0.2, 0.06)), c("holds", "not shown", "not shown"))
  expect_identical(verdicts(good, contrast(-0.3, -0.1, 0.001))[3], "not shown")
  bad <- contrast(-0.3, -0.1, 0.001)
  expect_identical(verdicts(bad, bad), rep("reversed", 3))
  missing <- claim_contrasts(contrast(NA_real_, NA_real_, NA_real_, "vgg16-plain"), paper, "c", "", 0)
  expect_identical(missing$verdict, "not shown")
  expect_identical(missing$note, "not in this run: vgg16-plain")
})

test_that("not being worse asks no significance", {
  expect_identical(claim_contrasts(contrast(-0.04, 0.1, 1), paper, "c", "", -0.05)$verdict, "holds")
  expect_identical(claim_contrasts(contrast(-0.06, 0.1, 1), paper, "c", "", -0.05)$verdict, "not shown")
  expect_identical(claim_contrasts(contrast(-0.2, -0.01, 0.001), paper, "c", "", -0.05)$verdict, "reversed")
})

test_that("the best threshold's claim is on the share of the resamples", {
  best <- data.frame(
    threshold = c(0.3, 0.4, 0.7, 0.8), share = c(0.02, 0.5, 0.46, 0.02), is_best = c(FALSE, TRUE, FALSE, FALSE)
  )
  claim <- claim_best_threshold(best, paper)
  expect_equal(claim$effect, 0.96)
  expect_identical(claim$verdict, "holds")
  expect_match(claim$paper, "best average at 0.5, best median at 0.7")
  best$share <- c(0.5, 0.02, 0.02, 0.46)
  expect_identical(claim_best_threshold(best, paper)$verdict, "reversed")
  best$share <- c(0.25, 0.25, 0.25, 0.25)
  expect_identical(claim_best_threshold(best, paper)$verdict, "not shown")
})

results <- read_fixture()
weights <- draw_patient_weights(results$patients, 400)

test_that("detection at patient level is compared with the lesion level, by a plain count", {
  claim <- claim_patient_level(results, paper, weights)
  chosen <- results$fold_thresholds$threshold_chosen[match(results$lesion_detection$fold, results$fold_thresholds$fold)]
  rows <- results$lesion_detection[results$lesion_detection$threshold == chosen, ]
  reference <- rows[rows$kind == "reference", ]
  by_patient <- tapply(reference$matched, reference$patient_id, max)
  expect_equal(claim$effect[1], mean(by_patient) - mean(reference$matched))
  expect_identical(claim$verdict[2], "true by construction")
  expect_identical(claim$paper_support[2], "true by construction")
  expect_false(claim$verdict[3] == "true by construction")
  false <- sum(rows$kind == "predicted" & rows$matched == 0)
  of_patients <- tapply(rows$kind == "predicted", rows$patient_id, any)
  negatives <- results$patients$patient_id[results$patients$group == "negative"]
  false_patients <- sum(names(of_patients)[of_patients] %in% negatives)
  expect_equal(
    claim$effect[3],
    sum(by_patient) / (sum(by_patient) + false_patients) - sum(reference$matched) / (sum(reference$matched) + false)
  )
})

test_that("global Dice is compared with the average over the thresholds of Table 4", {
  claim <- claim_global_dice(results, paper, weights)
  thresholds <- c(0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
  difference <- vapply(thresholds, function(threshold) {
    at <- results$pixel_counts[abs(results$pixel_counts$threshold - threshold) < 1e-6, ]
    at <- at[at$group == "positive", ]
    dice <- results$dice_by_threshold$dice[abs(results$dice_by_threshold$threshold - threshold) < 1e-6]
    2 * sum(at$tp) / (2 * sum(at$tp) + sum(at$fp) + sum(at$fn)) - mean(dice)
  }, numeric(1))
  expect_equal(claim$effect, mean(difference))
  without <- results
  without$pixel_counts <- without$pixel_counts[without$pixel_counts$threshold %in% c(0, 1), ]
  claim <- claim_global_dice(without, paper, weights)
  expect_identical(claim$verdict, "not shown")
  expect_match(claim$note, "share no threshold")
})

test_that("small lesions and neighbours follow a plain count", {
  claim <- claim_small_lesions(results, weights)
  chosen <- select_at_chosen(results$dice_by_threshold, results$fold_thresholds)
  largest <- tapply(results$lesions$diameter_mm, results$lesions$patient_id, max)[chosen$patient_id]
  expect_equal(claim$effect, mean(chosen$dice[largest >= 20]) - mean(chosen$dice[largest < 20]))
  claim <- claim_neighbours(results$categories, "vgg16-adaptive")
  rows <- select_scoring(results$categories[results$categories$variant == "vgg16-adaptive", ], "reference_regions")
  shift <- abs(as.integer(rows$category_pred) - as.integer(rows$category_ref))
  expect_equal(claim$effect, sum(shift == 1) / sum(shift > 0))
  expect_identical(claim_neighbours(results$categories[0, ], "any")$note, "not in this run: any")
})

test_that("every claim of the article has its verdict", {
  claims <- get_estimate(run_analysis(results, paper), "claims")
  expect_length(unique(claims$claim), 9)
  expect_true(all(claims$verdict %in% c("holds", "reversed", "not shown", "true by construction")))
  expect_true(all(nzchar(claims$paper_support)))
})
