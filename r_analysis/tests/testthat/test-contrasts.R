test_that("the sign-flip test approaches the exact distribution of all flips", {
  # Patient sums 3, 2, 1, 1, -1: of the 32 flips, those with |total| >= 6 are +-8 (all alike), +-6.
  id <- c("a", "a", "a", "b", "b", "c", "d", "e")
  differences <- c(1, 1, 1, 1, 1, 1, 1, -1)
  sums <- c(3, 2, 1, 1, -1)
  all_flips <- as.matrix(expand.grid(rep(list(c(-1, 1)), 5))) %*% sums
  exact <- mean(abs(all_flips) >= 6)
  expect_equal(exact, 8 / 32)
  expect_equal(compute_sign_flip(differences, id), exact, tolerance = 0.06)
  expect_identical(compute_sign_flip(differences, id), compute_sign_flip(differences[8:1], id[8:1]))
})

test_that("the sign-flip test is symmetric, never 0, and 1 where nothing differs", {
  id <- sprintf("P%02d", 1:30)
  expect_equal(compute_sign_flip(rep(1, 30), id), 1 / 10001)
  expect_identical(compute_sign_flip(rep(1, 30), id), compute_sign_flip(rep(-1, 30), id))
  expect_identical(compute_sign_flip(rep(0, 30), id), 1)
  expect_identical(compute_sign_flip(rep(c(1, -1), 15), rep(id[1:15], each = 2)), 1)
  expect_true(is.na(compute_sign_flip(numeric(), character())))
  # Many lesions of one patient are one observation.
  expect_equal(compute_sign_flip(rep(1, 30), rep("a", 30)), 1)
})

test_that("McNemar's exact test equals the binomial and known values", {
  # mcnemar.exact would give the same: binom.test(11, 11)$p.value = 2^-10, binom.test(2, 10)$p.value = 0.109375
  expect_equal(compute_mcnemar(11, 0), 2^-10)
  expect_equal(compute_mcnemar(2, 8), 0.109375)
  expect_equal(compute_mcnemar(c(0, 5), c(0, 5)), c(1, 1))
})

all_variants <- c(
  "vgg16-adaptive", "vgg16-plain", "resnet50-adaptive", "resnet50-plain", "direct-frozen", "direct-finetuned",
  "direct-finetuned-size"
)

test_that("the contrasts follow from what the variants are, not from their names", {
  variants <- read_fixture()$variants
  contrasts <- list_contrasts(variants)
  expect_identical(contrasts$contrast, c(
    "adaptive - plain, VGG16", "adaptive - plain, ResNet-50", "characterised - direct, without size",
    "characterised - direct, with size", "fine-tuned - frozen, direct", "VGG16 - ResNet-50, adaptive"
  ))
  expect_identical(contrasts$question, c("mode", "mode", "direct", "direct", "tuning", "trunk"))
  expect_identical(contrasts$part[1:4], c(
    "VGG16", "ResNet-50", "direct network without size", "direct network with size"
  ))
  expect_identical(contrasts$first, c(
    "vgg16-adaptive", "resnet50-adaptive", "vgg16-adaptive", "vgg16-adaptive", "direct-finetuned", "vgg16-adaptive"
  ))
  expect_identical(contrasts$second, c(
    "vgg16-plain", "resnet50-plain", "direct-finetuned", "direct-finetuned-size", "direct-frozen", "resnet50-adaptive"
  ))
  renamed <- list_contrasts(transform(variants, variant = paste0("n", seq_along(variant))))
  numbers <- function(names) paste0("n", match(names, variants$variant))
  expect_identical(renamed$first, numbers(contrasts$first))
  expect_identical(renamed$second, numbers(contrasts$second))
  # A second network that is alike changes nothing; a trunk that is trained in one way only has no contrast of modes.
  alike <- transform(variants[variants$variant == "vgg16-plain", ], variant = "again")
  expect_identical(list_contrasts(rbind(variants, alike)), contrasts)
  without <- list_contrasts(variants[!variants$variant %in% c("resnet50-plain", "direct-frozen"), ])
  expect_identical(without$contrast, contrasts$contrast[-c(2, 5)])
  expect_identical(list_contrasts(variants[variants$kind != "direct", ])$question, c("mode", "mode", "trunk"))
})

test_that("all six contrasts are computed, and equal a plain count", {
  folder <- tempfile()
  write_fixture_results(folder, variants = all_variants)
  results <- read_results(folder, test_schema())
  weights <- draw_patient_weights(results$patients, 500)
  table <- compute_contrasts(results$categories, list_contrasts(results$variants), weights)
  expect_identical(nrow(table), 6L)
  expect_true(all(is.na(table$gap)))
  rows <- results$categories[results$categories$roi == "reference_roi", ]
  accuracy <- tapply(as.character(rows$category_pred) == as.character(rows$category_ref), rows$variant, mean)
  expect_equal(table$difference, as.vector(accuracy[table$first] - accuracy[table$second]))
  expect_equal(table$only_first - table$only_second, round(table$difference * table$n))
  expect_true(all(table$low <= table$difference & table$difference <= table$high))
  expect_equal(table$p_holm, stats::p.adjust(table$p, "holm"))
})

test_that("a missing variant is named, and the other adjusted p values do not gain by it", {
  results <- read_fixture()
  weights <- draw_patient_weights(results$patients, 200)
  table <- compute_contrasts(results$categories, list_contrasts(results$variants), weights)
  expect_identical(table$gap[3:5], c("direct-finetuned", "direct-finetuned-size", "direct-finetuned, direct-frozen"))
  expect_true(all(is.na(table$p_holm[3:5])))
  known <- !is.na(table$p)
  # Three of six p values, the smallest times six.
  expect_equal(min(table$p_holm, na.rm = TRUE), min(1, 6 * min(table$p, na.rm = TRUE)))
  expect_true(all(table$p_holm[known] >= stats::p.adjust(table$p[known], "holm")))
  empty <- compute_contrasts(results$categories[0, ], list_contrasts(results$variants), weights)
  expect_true(all(is.na(empty$difference)) && all(nzchar(empty$gap)))
})
