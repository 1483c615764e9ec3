features <- read_fixture()$features
patients <- read_fixture()$patients
weights <- draw_patient_weights(patients, 30)
one <- features[features$variant == "vgg16-plain" & features$roi == "reference_roi" & features$feature == "aphe", ]

test_that("the pooled area equals pROC's", {
  ours <- compute_auc(one, rep(0, nrow(one)), weights)$value
  theirs <- pROC::auc(pROC::roc(one$reference, one$probability, levels = 0:1, direction = "<", quiet = TRUE))
  expect_equal(ours, as.numeric(theirs), tolerance = 1e-12)
})

test_that("ties count half", {
  tied <- data.frame(patient_id = letters[1:4], reference = c(1, 1, 0, 0), probability = c(0.9, 0.5, 0.5, 0.1))
  weights <- draw_patient_weights(data.frame(patient_id = letters[1:4], group = "positive"), 10)
  # Pairs: 0.9 beats both, 0.5 ties with one and beats the other: 3.5 of 4
  expect_equal(compute_auc(tied, rep(0, 4), weights)$value, 3.5 / 4)
  # Strata {a, c} and {b, d}: 0.9 > 0.5 and 0.5 > 0.1
  expect_equal(compute_auc(tied, c(1, 2, 1, 2), weights)$value, 1)
  # No stratum has both a present and an absent lesion.
  expect_true(is.na(compute_auc(tied, 1:4, weights)$value))
})

test_that("the area within folds is the share of concordant pairs of the same fold", {
  concordant <- 0
  pairs <- 0
  for (i in which(one$reference == 1)) {
    for (j in which(one$reference == 0 & one$fold == one$fold[i])) {
      pairs <- pairs + 1
      concordant <- concordant + (one$probability[i] > one$probability[j]) + (
        one$probability[i] == one$probability[j]
      ) / 2
    }
  }
  expect_equal(compute_auc(one, one$fold, weights)$value, concordant / pairs)
})

test_that("resampled areas equal those of the lesions written out", {
  naive <- vapply(seq_len(ncol(weights)), function(b) {
    rows <- rep(seq_len(nrow(one)), weights[one$patient_id, b])
    drawn <- one[rows, ]
    larger <- outer(drawn$probability[drawn$reference == 1], drawn$probability[drawn$reference == 0], ">")
    mean(larger)
  }, numeric(1))
  ours <- compute_auc(one, rep(0, nrow(one)), weights)
  theirs <- compute_bootstrap_interval(naive)
  expect_equal(c(ours$low, ours$high), c(theirs$low, theirs$high))
})

test_that("sensitivity and specificity are at the decision threshold, which counts as present", {
  lesions <- data.frame(
    variant = "v", roi = "r", feature = "aphe", fold = 0, patient_id = letters[1:5], lesion_id = "L1",
    reference = c(1, 1, 0, 0, 0), probability = c(0.5, 0.49, 0.5, 0.1, NA)
  )
  weights <- draw_patient_weights(data.frame(patient_id = letters[1:5], group = "positive"), 20)
  table <- compute_feature_table(lesions, 0.5, weights)
  value <- stats::setNames(table$value, table$statistic)
  expect_equal(value[c("sensitivity", "specificity")], c(sensitivity = 0.5, specificity = 0.5))
  expect_equal(unique(table$n_unread), 1)
  expect_equal(unique(c(table$n_present, table$n_absent)), 2)
})

test_that("the feature table has every feature, region and variant once", {
  table <- compute_feature_table(features, 0.5, weights)
  expect_equal(nrow(table), 4 * 2 * 3 * 4)
  expect_false(anyDuplicated(table[c("variant", "roi", "feature", "statistic")]) > 0)
  expect_null(compute_feature_table(features[0, ], 0.5, weights))
})
