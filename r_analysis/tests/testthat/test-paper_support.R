paper <- read_paper_results(paper_path)

test_that("the bounds on the article's differences are those over all discordances", {
  # VGG16 adaptive 67, plain 56 of 88: discordant 11 + 0 to 32 + 21.
  # binom.test(11, 11)$p.value = 0.0009765625; binom.test(32, 53)$p.value = 0.1690386 (R 4.2.2)
  bounds <- compute_paper_support(67, 56, 88)
  expect_equal(bounds$p_low, 2^-10)
  expect_equal(bounds$p_high, stats::binom.test(32, 53)$p.value)
  expect_equal(bounds$p_high, 0.169, tolerance = 5e-3)
  expect_identical(bounds$support, "undetermined")
  # VGG16 adaptive 67, direct fine-tuned 43: 24 + 0 to 45 + 21; every overlap supports it.
  bounds <- compute_paper_support(67, 43, 88)
  expect_equal(bounds$p_high, stats::binom.test(45, 66)$p.value)
  expect_lt(bounds$p_high, 0.005)
  expect_identical(bounds$support, "supported")
  expect_identical(compute_paper_support(43, 67, 88)$support, "contradicted")
  expect_identical(compute_paper_support(43, 38, 88)$support, "not supported")
  expect_identical(compute_paper_support(50, 50, 88)$support, "not supported")
})

test_that("the range of overlaps respects n", {
  # 80 and 60 of 88: the second alone can be right about 8 at most.
  bounds <- compute_paper_support(80, 60, 88)
  expect_equal(bounds$p_low, 2 * 0.5^20)
  expect_equal(bounds$p_high, stats::binom.test(28, 36)$p.value)
})

test_that("paired limits equal Newcombe's published ones", {
  # Newcombe 1998 (2635-2650), Table III, method 10: n = 50, 36 12 2 0 -> 0.0569, 0.3404; 20 12 2 16 -> 0.0562, 0.3292
  published <- compute_paired_newcombe(12, 2, c(36, 20), 50)
  expect_equal(published$difference, c(0.2, 0.2))
  expect_equal(published$low, c(0.0569, 0.0562), tolerance = 2e-3)
  expect_equal(published$high, c(0.3404, 0.3292), tolerance = 2e-3)
})

test_that("printed accuracies are whole lesions at the inferred n", {
  correct <- vapply(
    c("vgg16-adaptive", "resnet50-adaptive", "vgg16-plain", "resnet50-plain", "direct-finetuned", "direct-frozen"),
    function(variant) find_printed_correct(paper, variant)$correct, numeric(1)
  )
  expect_equal(unname(correct), c(67, 64, 56, 54, 43, 38))
  expect_equal(nrow(find_printed_correct(paper, "direct-finetuned-size")), 0)
})
