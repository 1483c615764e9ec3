make_surface <- function() {
  data.frame(
    patient_id = c("a", "b", "c", "d", "e"), fold = 0, threshold = 0.5,
    mean_surface_distance_mm = c(1, 4, 2, NA, NA), hausdorff95_mm = c(3, 30, 6, NA, NA),
    volume_ref_ml = c(10, 20, 5, 8, 0), volume_pred_ml = c(12, 10, 5, 0, 2.5)
  )
}

test_that("medians are over the patients that have a value", {
  weights <- draw_patient_weights(data.frame(patient_id = letters[1:6], group = "all"), 500)
  table <- compute_surface_table(make_surface(), weights)
  expect_identical(table$patients, c(3L, 3L, 4L, 4L, 1L))
  # Errors 2, -10, 0 and -8: the missed patient counts with its whole volume.
  expect_equal(table$value, c(2, 6, -4, 5, 2.5))
  expect_identical(table$unit, c("mm", "mm", "ml", "ml", "ml"))
  expect_true(all(table$low[1:4] <= table$value[1:4] & table$value[1:4] <= table$high[1:4]))
  # One patient alone says nothing about the spread.
  expect_true(is.na(table$low[5]))
})

test_that("rows of nobody, and of patients who are not in the run, are left out", {
  weights <- draw_patient_weights(data.frame(patient_id = letters[1:3], group = "all"), 50)
  expect_equal(nrow(compute_surface_table(make_surface(), weights)), 4)
  expect_null(compute_surface_table(NULL, weights))
  expect_null(compute_surface_table(make_surface()[0, ], weights))
  expect_equal(compute_surface_table(make_surface()[1, ], weights)$patients, rep(1, 4))
})

test_that("the pre-training's Dice has mean and range of the volumes that have one", {
  dice <- data.frame(
    ct_id = c("v1", "v1", "v2", "v2"), label = factor(rep(c("liver", "tumour"), 2), c("liver", "tumour")),
    dice = c(0.9, NA, 0.8, 0.5)
  )
  table <- compute_pretraining_dice(dice)
  expect_equal(table, data.frame(
    label = c("liver", "tumour"), volumes = c(2, 1), value = c(0.85, 0.5), low = c(0.8, 0.5), high = c(0.9, 0.5)
  ))
  expect_null(compute_pretraining_dice(NULL))
  expect_null(compute_pretraining_dice(dice[2, ]))
})

test_that("the page has both tables or neither", {
  weights <- draw_patient_weights(data.frame(patient_id = letters[1:5], group = "all"), 500)
  pretraining <- data.frame(label = "liver", volumes = 2, value = 0.85, low = 0.8, high = 0.9)
  expect_equal(nrow(tabulate_surface(compute_surface_table(make_surface(), weights))$table), 5)
  expect_identical(tabulate_pretraining(pretraining, "virtual CT")$table[[3]], "0.850, 0.800 to 0.900")
  expect_match(tabulate_pretraining(pretraining, "virtual CT")$caption, "^Pre-training on virtual CT: ")
  expect_match(tabulate_pretraining(pretraining, NA_character_)$caption, "^Pre-training on CT: ")
  expect_equal(nrow(tabulate_surface(NULL)$table), 0)
  expect_equal(nrow(tabulate_pretraining(NULL, NA_character_)$table), 0)
  expect_null(format_table(tabulate_surface(NULL), "x"))
})
